// Numbers below 1.2e-38 take a processor a hundred times longer than others.
#pragma once

namespace oxboard {

/**
 * While it lives, the calling thread and its team take denormal numbers for zero. The attention of
 * the mdx_extra networks weighs what is far away with numbers that small, by the million.
 */
class DenormalsAreZero {
 public:
  DenormalsAreZero();
  ~DenormalsAreZero();
  DenormalsAreZero(const DenormalsAreZero&) = delete;
  DenormalsAreZero& operator=(const DenormalsAreZero&) = delete;

 private:
  void set(bool on) const;
  int threads_;
};

}  // namespace oxboard
