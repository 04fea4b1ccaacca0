#define OXBOARD_ISA plain
#include "kernel_set_impl.h"
