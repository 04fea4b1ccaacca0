// Symbols of the C and C++ libraries in versions that older systems have, for the prebuilt addon:
// the linker would take the newest versions of the system that it runs on. It replaces each call to
// NAME by one to __wrap_NAME (see CMakeLists.txt).
#include <dlfcn.h>
#include <pthread.h>
#include <sys/stat.h>

#include <condition_variable>
#include <mutex>

#if defined(__x86_64__)
#define FIRST_VERSION "GLIBC_2.2.5"
#else
#define FIRST_VERSION "GLIBC_2.17"
#endif

#define OLD(name) __asm__(".symver old_" #name "," #name "@" FIRST_VERSION)

extern "C" {

// The headers of the C++ library read this variable of GLIBC 2.32. Here it always says that there
// are other threads.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

OLD(dlopen);
void* old_dlopen(const char* file, int mode);
void* __wrap_dlopen(const char* file, int mode) { return old_dlopen(file, mode); }

OLD(dlsym);
void* old_dlsym(void* handle, const char* name);
void* __wrap_dlsym(void* handle, const char* name) { return old_dlsym(handle, name); }

OLD(pow);
double old_pow(double base, double exponent);
double __wrap_pow(double base, double exponent) { return old_pow(base, exponent); }

OLD(pthread_once);
int old_pthread_once(pthread_once_t* control, void (*routine)());
int __wrap_pthread_once(pthread_once_t* control, void (*routine)()) {
  return old_pthread_once(control, routine);
}

// Before GLIBC 2.33, fstat was an inline function around this one.
OLD(__fxstat);
int old___fxstat(int version, int file, struct stat* status);
int __wrap_fstat(int file, struct stat* status) {
#if defined(__x86_64__)
  constexpr int kVersion = 1;
#else
  constexpr int kVersion = 0;
#endif
  return old___fxstat(kVersion, file, status);
}

__asm__(
    ".symver old_wait,_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");
void old_wait(std::condition_variable* condition, std::unique_lock<std::mutex>* lock);
void __wrap__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(
    std::condition_variable* condition, std::unique_lock<std::mutex>* lock) {
  old_wait(condition, lock);
}

}  // extern "C"
