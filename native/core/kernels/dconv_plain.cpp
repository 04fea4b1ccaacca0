#define OXBOARD_ISA plain
#include "dconv_impl.h"
