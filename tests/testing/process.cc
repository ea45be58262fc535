#include "tests/testing/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace syncline::testing {
namespace {

namespace fs = std::filesystem;

struct Pipe {
  Pipe() { SYNCLINE_CHECK(pipe2(ends, O_CLOEXEC) == 0, "no pipe"); }
  void Close(int end) {
    if (ends[end] >= 0) close(ends[end]);
    ends[end] = -1;
  }
  ~Pipe() {
    Close(0);
    Close(1);
  }
  int ends[2];
};

// Forks and executes; the descriptors become the child's 0, 1 and 2. `space`:
// the network namespace that it is in.
pid_t Spawn(const std::vector<std::string>& command, int in, int out, int err,
            int space = -1) {
  std::vector<char*> argv;
  for (const std::string& word : command) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t pid = fork();
  SYNCLINE_CHECK(pid >= 0, "cannot fork");
  if (pid == 0) {
    if (in >= 0) dup2(in, 0);
    if (out >= 0) dup2(out, 1);
    if (err >= 0) dup2(err, 2);
    // Sockets of the test: their other ends must see it close them.
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    if (space >= 0 && setns(space, CLONE_NEWNET) != 0) _exit(126);
    execvp(argv[0], argv.data());
    std::perror(argv[0]);
    _exit(127);
  }
  return pid;
}

int ExitCode(int wait_status) {
  if (WIFEXITED(wait_status)) return WEXITSTATUS(wait_status);
  return 128 + WTERMSIG(wait_status);
}

// Feeds `input` and drains both outputs until they close.
void Pump(Pipe& in, Pipe& out, Pipe& err, std::string_view input,
          CommandResult& result) {
  char buffer[65536];
  while (out.ends[0] >= 0 || err.ends[0] >= 0) {
    pollfd fds[3] = {{out.ends[0], POLLIN, 0},
                     {err.ends[0], POLLIN, 0},
                     {in.ends[1], POLLOUT, 0}};
    if (input.empty()) in.Close(1);
    fds[2].fd = in.ends[1];
    poll(fds, 3, -1);
    if (fds[2].fd >= 0 && fds[2].revents != 0) {
      const ssize_t n = write(in.ends[1], input.data(), input.size());
      if (n > 0) input.remove_prefix(static_cast<std::size_t>(n));
      if (n < 0 && errno != EAGAIN) input = {};
    }
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      const ssize_t n = read(fds[i].fd, buffer, sizeof buffer);
      Pipe& source = i == 0 ? out : err;
      std::string& target = i == 0 ? result.out : result.err;
      if (n > 0) target.append(buffer, static_cast<std::size_t>(n));
      if (n <= 0) source.Close(0);
    }
  }
}

}  // namespace

CommandResult RunCommand(const std::vector<std::string>& command,
                         std::string_view input) {
  signal(SIGPIPE, SIG_IGN);
  Pipe in;
  Pipe out;
  Pipe err;
  const pid_t pid = Spawn(command, in.ends[0], out.ends[1], err.ends[1]);
  in.Close(0);
  out.Close(1);
  err.Close(1);
  fcntl(in.ends[1], F_SETFL, O_NONBLOCK);
  CommandResult result;
  Pump(in, out, err, input, result);
  int status = 0;
  waitpid(pid, &status, 0);
  result.exit_code = ExitCode(status);
  return result;
}

CommandResult RunSyncline(const fs::path& home,
                          const std::vector<std::string>& args,
                          std::string_view input) {
  std::vector<std::string> command = {SYNCLINE_BINARY, "--home", home};
  command.insert(command.end(), args.begin(), args.end());
  return RunCommand(command, input);
}

ServingNode::ServingNode(fs::path home, std::string_view listen, int space)
    : home_(std::move(home)) {
  std::vector<std::string> command = {SYNCLINE_BINARY, "--home",
                                      home_,           "serve",
                                      "--listen",      std::string(listen)};
  Pipe out;
  pid_ = Spawn(command, -1, out.ends[1], -1, space);
  out.Close(1);
  std::string text;
  char c = 0;
  std::size_t line_start = 0;
  while (!ready_ && read(out.ends[0], &c, 1) == 1) {
    text.push_back(c);
    if (c != '\n') continue;
    const std::string_view line =
        std::string_view(text).substr(line_start, text.size() - line_start - 1);
    constexpr std::string_view kPeer = "listening peer ";
    if (line.starts_with(kPeer)) address_ = line.substr(kPeer.size());
    ready_ = line == "ready";
    line_start = text.size();
  }
  out_ = std::exchange(out.ends[0], -1);
}

ServingNode::~ServingNode() {
  Kill();
  if (out_ >= 0) close(out_);
}

int ServingNode::Reap() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  ready_ = false;
  return ExitCode(status);
}

void ServingNode::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  Reap();
}

int ServingNode::Stop() {
  if (pid_ < 0) return -1;
  kill(pid_, SIGTERM);
  return Reap();
}

long ServingNode::PeakRssKib() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::atol(line.c_str() + 6);
  }
  return 0;
}

double ServingNode::CpuSeconds() const {
  std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(stat)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  long user = 0;
  long system = 0;
  fields >> user >> system;
  return static_cast<double>(user + system) /
         static_cast<double>(sysconf(_SC_CLK_TCK));
}

bool Eventually(const std::function<bool()>& condition,
                std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

std::map<std::string, std::string> DescribeTree(const fs::path& root) {
  std::map<std::string, std::string> tree;
  auto walk = fs::recursive_directory_iterator(root);
  for (auto at = begin(walk); at != end(walk); ++at) {
    if (at->path().filename().string().starts_with(".syncline")) {
      at.disable_recursion_pending();
      continue;
    }
    const std::string path = at->path().lexically_relative(root);
    if (at->is_symlink()) {
      tree[path] = "symlink " + fs::read_symlink(at->path()).string();
    } else if (at->is_directory()) {
      tree[path] = "directory";
    } else {
      struct stat status;
      const bool there = stat(at->path().c_str(), &status) == 0;
      const bool executable = there && (status.st_mode & S_IXUSR) != 0;
      tree[path] = (executable ? "program " : "file ") +
                   Sha256(ReadFile(at->path())).ToHex();
    }
  }
  return tree;
}

std::string CompareTrees(const fs::path& left, const fs::path& right) {
  const auto a = DescribeTree(left);
  const auto b = DescribeTree(right);
  std::ostringstream out;
  int shown = 0;
  for (const auto& [path, what] : a) {
    const auto other = b.find(path);
    if (other != b.end() && other->second == what) continue;
    if (++shown > 10) break;
    out << path << ": " << what << " | "
        << (other == b.end() ? "missing" : other->second) << "\n";
  }
  for (const auto& [path, what] : b) {
    if (a.contains(path)) continue;
    if (++shown > 10) break;
    out << path << ": missing | " << what << "\n";
  }
  return out.str();
}

void WriteFile(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  SYNCLINE_CHECK(out.good(), "cannot write a test file");
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace syncline::testing
