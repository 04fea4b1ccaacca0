// doctest in files that use libtorch too: both have a CHECK, and libtorch's ends the process.
#pragma once

#include <c10/util/Logging.h>
#undef CHECK
#include <doctest/doctest.h>
