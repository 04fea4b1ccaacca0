#include "denormals.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

namespace oxboard {

DenormalsAreZero::DenormalsAreZero() : threads_(at::get_num_threads()) { set(true); }

DenormalsAreZero::~DenormalsAreZero() { set(false); }

void DenormalsAreZero::set(bool on) const {
  // One piece of work for each thread of the team.
  at::parallel_for(0, threads_, 1,
                   [on](int64_t, int64_t) { at::globalContext().setFlushDenormal(on); });
}

}  // namespace oxboard
