#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/pool.h"

namespace dlrm {
namespace {

std::string read_line(const std::string& path) {
  char text[256] = "";
  if (FILE* file = fopen(path.c_str(), "r")) {
    if (!fgets(text, sizeof text, file)) text[0] = 0;
    fclose(file);
  }
  return text;
}

// The smallest CPU quota of this process's cgroup (v2) and its ancestors, or of the v1 cpu controller; 0 if none.
double cgroup_quota() {
  double quota = 0;
  const auto take = [&](double cores) {
    if (cores > 0) quota = quota > 0 ? std::min(quota, cores) : cores;
  };
  std::string group = read_line("/proc/self/cgroup");  // v2: "0::/path\n"
  if (group.rfind("0::", 0) == 0) {
    group = group.substr(3, group.find_last_not_of('\n') - 2);
    for (;;) {
      double max = 0, period = 0;
      const std::string line = read_line("/sys/fs/cgroup" + group + "/cpu.max");
      if (sscanf(line.c_str(), "%lf %lf", &max, &period) == 2 && period > 0) take(max / period);
      const size_t slash = group.rfind('/');
      if (group.empty() || slash == std::string::npos) break;
      group.resize(slash);
    }
  }
  const double v1 = atof(read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").c_str());
  const double period = atof(read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us").c_str());
  if (v1 > 0 && period > 0) take(v1 / period);
  return quota;
}

int usable_cores() {
  int cores = static_cast<int>(std::thread::hardware_concurrency());
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  const double quota = cgroup_quota();
  if (quota > 0) cores = std::min(cores, static_cast<int>(std::ceil(quota)));
#endif
  return std::max(cores, 1);
}

}  // namespace

int default_threads() {
  const char* wanted = getenv("DLRM_THREADS");
  if (!wanted || !*wanted) return usable_cores();
  char* end = nullptr;
  const long threads = strtol(wanted, &end, 10);
  if (*end || threads < 1 || threads > 1024)
    fail(Code::argument, "DLRM_THREADS: expected an integer from 1 to 1024, received \"%s\"", wanted);
  return static_cast<int>(threads);
}

}  // namespace dlrm
