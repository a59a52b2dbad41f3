// Files that are read: none of them is waited for in vain.
#include "base/read_text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/errors.hpp"
#include "cases/best_file.hpp"
#include "cases/sweep.hpp"
#include "catch.hpp"
#include "folder.hpp"
#include "gate/trace.hpp"

namespace attn::test {

using bench::read_text;
using bench::UsageError;
using Catch::Matchers::Contains;

TEST_CASE("a file is read as it is", "[read_text]") {
  const Folder folder;
  const std::string text = std::string(200000, 'x') + std::string("\0\xff\n", 3);
  std::ofstream(folder.file("x")) << text;
  CHECK(read_text(folder.file("x")) == text);
  std::ofstream(folder.file("empty"));
  CHECK(read_text(folder.file("empty")).empty());
  CHECK_THROWS_WITH(read_text(folder.file("absent")), Contains("cannot read") && Contains("No such file"));
}

TEST_CASE("a pipe is read to its end, and refused where nobody writes", "[read_text]") {
  const Folder folder;
  const std::string path = folder.file("pipe");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  CHECK_THROWS_WITH(read_text(path), Contains("a pipe that nobody writes to; name a file"));
  const int own_end = open(path.c_str(), O_RDONLY | O_NONBLOCK);  // lets the writer open it
  const int writer = open(path.c_str(), O_WRONLY);
  close(own_end);
  std::thread writes([&] {
    for (int i = 0; i < 3; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      CHECK(write(writer, "part ", 5) == 5);
    }
    close(writer);
  });
  const std::string text = read_text(path);
  writes.join();
  CHECK(text == "part part part ");
}

TEST_CASE("what has no end, or is no text, is refused by name", "[read_text]") {
  const Folder folder;
  CHECK_THROWS_WITH(read_text("/dev/zero"), Contains("is a character device; name a file"));
  CHECK_THROWS_WITH(read_text(folder.path.string()), Contains("is a folder; name a file"));
}

TEST_CASE("whatever reads a file refuses a pipe that nobody writes to", "[read_text]") {
  const Folder folder;
  const std::string path = folder.file("pipe");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  CHECK_THROWS_AS(bench::load_best_file(path), UsageError);
  CHECK_THROWS_AS(bench::load_sweep(path), UsageError);
  CHECK_THROWS_AS(bench::gate::load_traces({path}), UsageError);
}

}  // namespace attn::test
