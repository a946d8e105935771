// A C++ host of one compiled library; arguments and MODEL are those of host.c. The host runs the
// loops itself where THREADS is "host".
#include MODEL_HEADER

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define N(function) JOIN(MODEL, function)

namespace {

struct Free {
  void operator()(void *memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

Memory aligned(std::size_t bytes, std::size_t alignment) {
  return Memory(std::aligned_alloc(alignment, (bytes / alignment + 1) * alignment));
}

[[noreturn]] void fail(rephase_status status) {
  std::fprintf(stderr, "%s\n", N(status_text)(status));
  std::exit(100 + static_cast<int>(status));
}

void check(rephase_status status) {
  if (status != REPHASE_OK) fail(status);
}

// Four threads of the host, each with a quarter of the iterations.
void host_loop(void *, int64_t count, rephase_body body, void *argument) {
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < 4; i++) {
    threads.emplace_back(body, argument, count * i / 4, count * (i + 1) / 4);
  }
  for (auto &thread : threads) thread.join();
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 4) return 64;
  std::ifstream file(arguments[1], std::ios::binary);
  std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
  std::vector<float> x(bytes.size() / sizeof(float)), y(x.size());
  std::memcpy(x.data(), bytes.data(), bytes.size());

  N(options) options = {};
  options.size = sizeof options;
  if (std::string(arguments[3]) == "host") {
    options.parallel_for = host_loop;
  } else {
    options.threads = static_cast<uint32_t>(std::stoul(arguments[3]));
  }
  Memory context = aligned(N(context_bytes)(), 16);
  Memory workspace = aligned(N(workspace_bytes)(), N(workspace_alignment)());
  check(N(create)(context.get(), N(context_bytes)(), nullptr, 0, &options));
  check(N(selftest)(context.get(), workspace.get(), N(workspace_bytes)()));
  const float *inputs[] = {x.data()};
  float *outputs[] = {y.data()};
  check(N(run)(context.get(), inputs, outputs, workspace.get(), N(workspace_bytes)()));
  N(destroy)(context.get());

  std::ofstream out(arguments[2], std::ios::binary);
  out.write(reinterpret_cast<const char *>(y.data()),
            static_cast<std::streamsize>(y.size() * sizeof(float)));
  out.close();
  return out ? 0 : 1;
}
