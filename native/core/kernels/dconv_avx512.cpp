#define OXBOARD_ISA avx512
#include "dconv_impl.h"
