// The inner loops of our operators, compiled once per instruction set and chosen at run time.
#pragma once

#include "attention_kernels.h"
#include "dconv_kernels.h"
#include "elementwise_kernels.h"

namespace oxboard::kernels {

struct KernelSet {
  DConvKernels dconv;
  AttentionKernels attention;
  ElementwiseKernels elementwise;
};

/** The widest vectors that this processor has. */
const KernelSet& widestKernels();

/** For tests: "plain", "avx2" or "avx512"; null where this processor lacks it. */
const KernelSet* kernelsFor(const char* instructionSet);

}  // namespace oxboard::kernels
