#define OXBOARD_ISA avx2
#include "kernel_set_impl.h"
