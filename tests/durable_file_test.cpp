// Where results go: whole files, links, devices, pipes.
#include "base/durable_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/errors.hpp"
#include "catch.hpp"
#include "folder.hpp"
#include "results/result_file.hpp"

namespace attn::test {
namespace {

namespace fs = std::filesystem;
using bench::EnvironmentError;
using bench::OutputFile;
using bench::UsageError;
using bench::write_atomically;
using Catch::Matchers::ContainsSubstring;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("a file is replaced as a whole, keeps its mode, and leaves nothing beside it", "[durable_file]") {
  const Folder folder;
  const std::string path = folder.file("x.json");
  { OutputFile asked(path); }
  CHECK(!fs::exists(path));
  std::ofstream(path) << "old";
  REQUIRE(chmod(path.c_str(), 0640) == 0);
  // A name that somebody else uses is not ours to write to.
  std::ofstream(path + ".tmp") << "mine";
  OutputFile file(path);
  CHECK(text_of(path) == "old");
  for (const char* text : {"first", "second, longer", "3"}) {
    file.write(text);
    CHECK(text_of(path) == text);
  }
  CHECK((fs::status(path).permissions() & fs::perms::mask) == static_cast<fs::perms>(0640));
  CHECK(text_of(path + ".tmp") == "mine");
  CHECK(files_in(folder.path) == 2);
}

TEST_CASE("links are followed, never replaced", "[durable_file]") {
  const Folder folder;
  fs::create_directories(folder.path / "there");
  const std::string target = folder.file("there/x.json");
  // Absolute, relative, by way of another link, through a linked folder; into nothing at first.
  fs::create_symlink(target, folder.path / "absolute");
  fs::create_symlink("there/x.json", folder.path / "relative");
  fs::create_symlink("relative", folder.path / "second");
  fs::create_directory_symlink("there", folder.path / "folder");
  fs::create_symlink("../there/x.json", folder.path / "there/back");
  for (const char* link : {"absolute", "relative", "second", "folder/x.json", "folder/back"}) {
    CAPTURE(link);
    for (const bool existed : {false, true}) {
      fs::remove(target);
      if (existed) std::ofstream(target) << "old";
      write_atomically(folder.file(link), "new");
      CHECK(text_of(target) == "new");
      CHECK(fs::is_regular_file(fs::symlink_status(target)));
    }
    CHECK(OutputFile(folder.file(link)).target().find("x.json") != std::string::npos);
  }
  for (const char* link : {"absolute", "relative", "second", "there/back"}) CHECK(fs::is_symlink(folder.path / link));
}

TEST_CASE("what cannot be written is refused with why, and nothing is made", "[durable_file]") {
  const Folder folder;
  fs::create_symlink("circle", folder.path / "circle");
  fs::create_symlink("absent/x.json", folder.path / "lost");
  fs::create_directory_symlink(".", folder.path / "here");
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  const std::size_t before = files_in(folder.path);
  const auto [name, why] = GENERATE(table<const char*, const char*>({
      {"circle", "its links lead in a circle"},
      {"lost", "there is no folder"},
      {"absent/x.json", "there is no folder"},
      {"here", "is a folder; name a file"},
      {"pipe", "it is a pipe that nobody reads"},
  }));
  CHECK_THROWS_WITH(OutputFile(folder.file(name)), ContainsSubstring(why));
  CHECK_THROWS_AS(OutputFile(folder.file(name)), UsageError);
  CHECK_THROWS_AS(write_atomically(folder.file(name), "x"), EnvironmentError);
  CHECK(files_in(folder.path) == before);
}

TEST_CASE("a device is written to and stays a device", "[durable_file]") {
  for (const char* device : {"/dev/null", "/dev/full"}) {
    OutputFile file(device);
    CHECK(!file.replaces());
    if (device == std::string("/dev/null"))
      file.write("text");
    else
      CHECK_THROWS_AS(file.write("text"), EnvironmentError);
    CHECK(fs::is_character_file(device));
  }
  CHECK(!fs::exists("/dev/null.journal"));
}

TEST_CASE("a pipe stays open until the end, so that its reader gets all", "[durable_file]") {
  const Folder folder;
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  const int reader = open(folder.file("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  std::string received;
  {
    OutputFile file(folder.file("pipe"));
    char c;
    CHECK(read(reader, &c, 1) == -1);  // EAGAIN: open, and nothing there yet; 0 would be the end
    fcntl(reader, F_SETFL, 0);
    std::thread other([&] {
      for (char chunk[4096]; const ssize_t n = read(reader, chunk, sizeof chunk);)
        received.append(chunk, static_cast<std::size_t>(n));
    });
    file.write(std::string(300000, 'x'));  // more than a pipe holds
    file.write("end");
    { OutputFile moved(std::move(file)); }
    other.join();
  }
  CHECK(received.size() == 300003);
  close(reader);
}

TEST_CASE("the file behind a descriptor is written to, not replaced under whoever holds it", "[durable_file]") {
  const Folder folder;
  const int held = open(folder.file("out").c_str(), O_RDWR | O_CREAT, 0644);
  REQUIRE(write(held, "before ", 7) == 7);
  OutputFile file("/dev/fd/" + std::to_string(held));
  CHECK(!file.replaces());
  file.write("result");
  CHECK(text_of(folder.file("out")) == "before result");
  struct stat held_file {
  }, named{};
  REQUIRE((fstat(held, &held_file) == 0 && stat(folder.file("out").c_str(), &named) == 0));
  CHECK(held_file.st_ino == named.st_ino);
  close(held);
}

TEST_CASE("two that write results to one file are told apart, from the start and later", "[durable_file]") {
  const Folder folder;
  const std::string path = folder.file("x.json");
  OutputFile first(path);
  OutputFile second(path);  // nothing is there that could tell
  first.write("of the first");
  CHECK_THROWS_WITH(OutputFile(path), ContainsSubstring("another process is writing results to it"));
  CHECK_THROWS_WITH(second.write("of the second"), ContainsSubstring("another process is writing results to it"));
  CHECK(text_of(path) == "of the first");
  first.write("once more");
  CHECK_THROWS_AS(OutputFile(path), UsageError);
  { const OutputFile ends(std::move(first)); }
  write_atomically(path, "of the third");
  CHECK(text_of(path) == "of the third");
}

TEST_CASE("a result file on a device has no journal and takes the document once", "[durable_file]") {
  const Folder folder;
  const int held = open(folder.file("out").c_str(), O_RDWR | O_CREAT, 0644);
  bench::ResultFile file("/dev/fd/" + std::to_string(held));
  file.set_context({{"seed", "1\xff"}});
  file.begin_case("attention/naive/sse2/b:1/h:1/hkv:1/q:8/k:8/d:4/dv:4/dtype:f32/mask:none/threads:1");
  CHECK(text_of(folder.file("out")).empty());
  CHECK(files_in(folder.path) == 1);
  file.complete();
  CHECK(bench::Json::parse(text_of(folder.file("out"))).at("context").at("seed") == "1\uFFFD");
  CHECK_THROWS_WITH(file.resume({}), ContainsSubstring("keeps nothing"));
  close(held);
}

}  // namespace attn::test
