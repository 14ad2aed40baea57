// Process 1 of the emulated machine (avx512-emulated.sh): runs /program with /arguments and /environment (one a line),
// reports its exit status on the console and switches the machine off.
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

static std::vector<std::string> lines_of(const char* path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

static std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& s : strings) result.push_back(s.data());
  result.push_back(nullptr);
  return result;
}

int main() {
  mount("proc", "/proc", "proc", 0, nullptr);
  mount("sysfs", "/sys", "sysfs", 0, nullptr);
  mount("tmpfs", "/tmp", "tmpfs", 0, nullptr);
  mount("devtmpfs", "/dev", "devtmpfs", 0, nullptr);
  const int console = open("/dev/console", O_RDWR);
  for (int fd = 0; fd < 3; fd++) dup2(console, fd);

  std::vector<std::string> arguments = lines_of("/arguments");
  arguments.insert(arguments.begin(), "/program");
  std::vector<std::string> environment = lines_of("/environment");
  const pid_t child = fork();
  if (child == 0) {
    execve("/program", pointers(arguments).data(), pointers(environment).data());
    std::perror("/program");
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) std::printf("[emulated] killed by signal %d\n", WTERMSIG(status));
  std::printf("[emulated] exit status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  std::fflush(stdout);
  usleep(200000);

  // Bochs ends at once when its port 0x8900 receives this word; a machine without the port is switched off by ACPI.
  if (ioperm(0x8900, 1, 1) == 0) {
    for (const char* c = "Shutdown"; *c; c++) outb(*c, 0x8900);
  }
  reboot(RB_POWER_OFF);
  pause();
}
