#include "kernel_set.h"

#include <cstring>
#include <initializer_list>

namespace oxboard::kernels {

namespace plain {
extern const KernelSet kernelSet;
}
#ifdef OXBOARD_X86
namespace avx2 {
extern const KernelSet kernelSet;
}
namespace avx512 {
extern const KernelSet kernelSet;
}
#endif

const KernelSet* kernelsFor(const char* instructionSet) {
  if (std::strcmp(instructionSet, "plain") == 0) return &plain::kernelSet;
#ifdef OXBOARD_X86
  if (std::strcmp(instructionSet, "avx2") == 0 && __builtin_cpu_supports("avx2") &&
      __builtin_cpu_supports("fma")) {
    return &avx2::kernelSet;
  }
  if (std::strcmp(instructionSet, "avx512") == 0 && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma")) {
    return &avx512::kernelSet;
  }
#endif
  return nullptr;
}

const KernelSet& widestKernels() {
  static const KernelSet& widest = [] {
    for (const char* instructionSet : {"avx512", "avx2"}) {
      if (const KernelSet* kernels = kernelsFor(instructionSet)) return *kernels;
    }
    return plain::kernelSet;
  }();
  return widest;
}

}  // namespace oxboard::kernels
