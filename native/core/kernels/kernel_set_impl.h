// All inner loops for one instruction set. Included by one file per set.
//
// Only plain loops and plain types: a function of the standard library or of libtorch that is
// instantiated here would be compiled for this instruction set too, and the linker may pick that
// copy for the whole program.
#include "attention_impl.h"
#include "dconv_impl.h"
#include "elementwise_impl.h"
#include "kernel_set.h"

namespace oxboard::kernels::OXBOARD_ISA {

extern const KernelSet kernelSet;
const KernelSet kernelSet{kDConvKernels, kAttentionKernels, kElementwiseKernels};

}  // namespace oxboard::kernels::OXBOARD_ISA
