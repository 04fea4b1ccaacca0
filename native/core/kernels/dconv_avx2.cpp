#define OXBOARD_ISA avx2
#include "dconv_impl.h"
