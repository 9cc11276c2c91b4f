// safetensors against Python's package, and headers that lie.
#include "framework/tensor/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <random>

#include "framework/base/error.h"
#include "framework/tensor/state.h"
#include "framework/tensor/weights.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

class Safetensors : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder); }
  void TearDown() override { fs::remove_all(folder); }
  fs::path folder = fs::temp_directory_path() / fmt::format("thaw-safetensors-{}", ::getpid());

  void python(const std::string& arguments) {
    const std::string command =
        fmt::format("'{}' {}/tests/tensor/safetensors_reference.py {}", *test::python(), THAW_SOURCE_DIR, arguments);
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  // The message that a file of this header and so many bytes of tensors is refused with; "accepted" where it is not.
  std::string refusal(const std::string& header, std::size_t data = 16) {
    std::uint64_t size = header.size();
    std::string file(8, '\0');
    std::memcpy(file.data(), &size, 8);
    return refusal_of(file + header + std::string(data, '\1'));
  }
  std::string refusal_of(const std::string& bytes) {
    std::ofstream(folder / "x.safetensors", std::ios::binary) << bytes;  // thousands of files: no flush to disk
    try {
      const SafetensorsFile file(folder / "x.safetensors");
      for (const std::string& name : file.names()) (void)file.tensor(name).sizes();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_data) << error.what();
      EXPECT_NE(std::string(error.what()).find("x.safetensors"), std::string::npos) << error.what();
      return error.what();
    }
    return "accepted";
  }
};

TEST_F(Safetensors, ReadsAndWritesAsPython) {
  THAW_NEEDS_PYTHON();
  const std::string theirs = folder / "theirs.safetensors", ours = folder / "ours.safetensors";
  python("write " + theirs);
  const SafetensorsFile file(theirs);
  EXPECT_EQ(file.names().size(), 50U);
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const std::string& name : file.names()) tensors.emplace_back(name, file.tensor(name));
  write_safetensors(ours, tensors, file.metadata());
  python("equal " + theirs + " " + ours);
}

TEST_F(Safetensors, WritesViewsOfAnyLayout) {
  const at::Tensor matrix = at::arange(12, at::kFloat).view({3, 4});
  write_safetensors(folder / "v.safetensors", {{"t", matrix.t()}, {"column", matrix.select(1, 2)}});
  const SafetensorsFile file(folder / "v.safetensors");
  EXPECT_TRUE(at::equal(file.tensor("t"), matrix.t()));
  EXPECT_TRUE(at::equal(file.tensor("column"), matrix.select(1, 2)));
}

TEST_F(Safetensors, LyingHeadersAreNamed) {
  const auto names = [](const std::string& message, const std::string& phrase) { return message.find(phrase) != std::string::npos; };
  const auto of = [](const std::string& shape, const std::string& offsets, const std::string& type = "F32") {
    return R"({"a":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  EXPECT_EQ(refusal(of("[4]", "[0,16]")), "accepted");
  const std::vector<std::pair<std::string, std::string>> lies{
      {of("[400]", "[0,1600]"), "truncated or damaged"},
      {of("[4]", "[16,0]"), "expected bytes inside"},
      {of("[4]", "[-16,0]"), "expected bytes inside"},
      {of("[5]", "[0,16]"), "expected 20 bytes"},
      {of("[4611686018427387904,4611686018427387904]", "[0,16]"), "more elements than can be"},
      {of("[-4]", "[0,16]"), "a size of 0 or more"},
      {of("[1.5]", "[0,16]"), "expected an integer"},
      {of("[4]", "[0,16]", "F31"), "the dtype 'F31'"},
      {of("[3]", "[0,12]"), "expected 12 bytes of tensors, found 16"},
      {of("[3]", "[4,16]"), "leave a hole"},
      {of("4", "[0,16]"), "expected an array"},
      {R"({"a":{"shape":[4],"data_offsets":[0,16]}})", "'dtype', which is missing"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", "'a' twice"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", "overlap"},
      {"[1, 2]", "not a JSON object"},
      {"{", "not valid JSON"},
      {std::string(5000, '['), "nested deeper"}};
  for (const auto& [header, phrase] : lies) {
    const std::string message = refusal(header);
    EXPECT_TRUE(names(message, phrase)) << "expected: " << phrase << "\nfound: " << message;
  }
  EXPECT_TRUE(names(refusal_of("abc"), "3 bytes"));
  EXPECT_TRUE(names(refusal_of(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10)), "more than"));
  EXPECT_TRUE(names(refusal_of(std::string("\x80\x00\x00\x00\x00\x00\x00\x00{}", 10)), "ends after 2"));
}

TEST_F(Safetensors, DamagedBytesNeverCrash) {
  write_safetensors(folder / "whole.safetensors", {{"weight", at::randn({3, 4})}, {"bias", at::zeros({4}, at::kHalf)}}, {{"format", "pt"}});
  const std::string whole = read_file(folder / "whole.safetensors");
  std::mt19937_64 random(9);
  const std::size_t header = whole.find('}', whole.find("weight")) + 2;
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = whole;
    for (std::uint64_t edit = 0; edit <= random() % 3; ++edit) bytes[random() % header] = static_cast<char>(random());
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    refused += refusal_of(bytes) != "accepted" ? 1 : 0;
  }
  EXPECT_GT(refused, 2000);
}

TEST_F(Safetensors, ShardedWeights) {
  write_safetensors(folder / "model-1.safetensors", {{"a", at::ones({2})}});
  write_safetensors(folder / "model-2.safetensors", {{"b", at::zeros({3})}});
  const auto index = [&](const std::string& map) {
    write_file_atomically(folder / "model.safetensors.index.json", R"({"weight_map":)" + map + "}");
  };
  index(R"({"a":"model-1.safetensors","b":"model-2.safetensors"})");
  const Weights weights(folder);
  EXPECT_TRUE(at::equal(weights.tensor("a"), at::ones({2})));
  EXPECT_EQ(weights.names(), (std::vector<std::string>{"a", "b"}));
  index(R"({"a":"model-2.safetensors"})");
  EXPECT_THROW(Weights{folder}, ModelError);
  index(R"({"a":"../model-1.safetensors"})");
  EXPECT_THROW(Weights{folder}, Error);
  index(R"({"a":"model-3.safetensors"})");
  EXPECT_THROW(Weights{folder}, FileError);
}

TEST_F(Safetensors, StateRoundTrip) {
  State inner;
  inner.tensors["m"] = at::randn({4});
  inner.values["steps"] = 7;
  State whole;
  merge(whole, "optimizer", inner);
  whole.values["note"] = "größer";
  save_state(folder / "state", whole);
  const State read = load_state(folder / "state"), taken = part(read, "optimizer");
  EXPECT_TRUE(at::equal(taken.tensors.at("m"), inner.tensors["m"]));
  EXPECT_EQ(taken.values, inner.values);
  EXPECT_EQ(read.values, whole.values);
}

}  // namespace
}  // namespace thaw
