#define OXBOARD_ISA avx512
#include "kernel_set_impl.h"
