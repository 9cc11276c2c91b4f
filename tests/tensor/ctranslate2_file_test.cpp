// CTranslate2's model.bin against the values that its own converter was given; and damaged ones.
#include "framework/tensor/ctranslate2_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <random>

#include "framework/base/error.h"
#include "framework/tensor/safetensors.h"
#include "framework/tensor/weights.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

// A file of version 6, put together piece by piece.
class Binary {
 public:
  explicit Binary(std::uint32_t version = 6) {
    number(version);
    name("WhisperSpec");
    number(std::uint32_t{3});
  }
  template <typename Number>
  Binary& number(Number value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Binary& name(const std::string& text) {
    number(static_cast<std::uint16_t>(text.size() + 1));
    bytes_.append(text.c_str(), text.size() + 1);
    return *this;
  }
  Binary& variable(const std::string& text, const std::vector<std::uint32_t>& shape, std::uint8_t type, std::uint32_t bytes) {
    name(text).number(static_cast<std::uint8_t>(shape.size()));
    for (const std::uint32_t extent : shape) number(extent);
    number(type).number(bytes);
    bytes_.append(bytes, '\1');
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class CTranslate2File : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder); }
  void TearDown() override { fs::remove_all(folder); }
  fs::path folder = fs::temp_directory_path() / fmt::format("thaw-ctranslate2-{}", ::getpid());

  std::string refusal_of(const std::string& bytes) {
    std::ofstream(folder / "model.bin", std::ios::binary) << bytes;  // thousands of files: no flush to disk
    try {
      const TensorFile file = read_ctranslate2_file(folder / "model.bin");
      for (const std::string& name : file.names()) (void)file.tensor(name).sizes();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_data) << error.what();
      EXPECT_NE(std::string(error.what()).find("model.bin"), std::string::npos) << error.what();
      return error.what();
    }
    return "accepted";
  }
};

TEST_F(CTranslate2File, ReadsWhatTheConverterWrote) {
  THAW_NEEDS_PYTHON();
  const std::string command =
      fmt::format("'{}' {}/tests/tensor/ctranslate2_reference.py {}", *test::python(), THAW_SOURCE_DIR, folder.string());
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  for (const char* dtype : {"float32", "float16", "bfloat16", "int8", "int8_float16", "int16"}) {
    const Weights ours(folder / dtype);
    const SafetensorsFile theirs(folder / fmt::format("{}.safetensors", dtype));
    EXPECT_EQ(ours.names(), theirs.names()) << dtype;
    for (const std::string& name : theirs.names()) {
      const at::Tensor found = ours.tensor(name), expected = theirs.tensor(name);
      EXPECT_EQ(found.scalar_type(), expected.scalar_type()) << dtype << name;
      EXPECT_TRUE(at::equal(found, expected)) << dtype << " " << name;
    }
    EXPECT_EQ(ours.values()["aliases"], JsonFile(folder / fmt::format("{}.json", dtype)).raw());
    EXPECT_EQ(ours.values()["spec"], "WhisperSpec");
  }
}

TEST_F(CTranslate2File, LiesAreNamed) {
  const auto one = [] { return Binary().number(std::uint32_t{1}); };
  const std::uint32_t none = 0, single = 1;
  EXPECT_EQ(refusal_of(one().variable("a/weight", {2, 3}, 0, 24).number(none).bytes()), "accepted");
  EXPECT_EQ(refusal_of(one().variable("a/weight", {}, 4, 2).number(single).name("b").name("a/weight").bytes()), "accepted");
  const std::vector<std::pair<std::string, std::string>> lies{
      {Binary(5).bytes(), "expected version 6"},
      {one().variable("a", {2, 3}, 0, 20).number(none).bytes(), "expected 24 bytes"},
      {one().variable("a", {2, 3}, 6, 24).number(none).bytes(), "dtype 6"},
      {one().variable("a", {~0u, ~0u, ~0u}, 0, 24).number(none).bytes(), "cannot be"},
      {one().variable("a", {~0u}, 0, 24).number(none).bytes(), "inside the file"},
      {one().variable("", {1}, 0, 4).number(none).bytes(), "expected a name"},
      {one().variable("a\x1b", {1}, 0, 4).number(none).bytes(), "not ASCII"},
      {one().variable("a", {1}, 0, 4).number(single).name("b").name("c").bytes(), "expected a tensor 'c'"},
      {one().variable("a", {1}, 0, 4).number(single).name("a").name("a").bytes(), "'a' twice"},
      {one().variable("a", {1}, 0, 4).number(none).number(none).bytes(), "4 bytes follow"},
      {Binary().number(~0u).variable("a", {1}, 0, 4).bytes(), "truncated"},
      {Binary().number(std::uint32_t{2}).variable("a", {2}, 1, 2).variable("a_scale", {3}, 0, 12).number(none).bytes(), "one a row"},
      {Binary().number(std::uint32_t{2}).variable("a", {2}, 1, 2).variable("a_scale", {2}, 1, 2).number(none).bytes(), "scale in fp32"}};
  for (const auto& [bytes, phrase] : lies) {
    const std::string message = refusal_of(bytes);
    EXPECT_NE(message.find(phrase), std::string::npos) << "expected: " << phrase << "\nfound: " << message;
  }
}

TEST_F(CTranslate2File, DamagedBytesNeverCrash) {
  std::string whole = Binary()
                          .number(std::uint32_t{3})
                          .variable("a/weight", {2, 3}, 0, 24)
                          .variable("b", {4, 2}, 1, 8)
                          .variable("b_scale", {4}, 0, 16)
                          .number(std::uint32_t{1})
                          .name("c")
                          .name("b")
                          .bytes();
  std::mt19937_64 random(9);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = whole;
    for (std::uint64_t edit = 0; edit <= random() % 3; ++edit) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    refused += refusal_of(bytes) != "accepted" ? 1 : 0;
  }
  EXPECT_GT(refused, 1500);
}

}  // namespace
}  // namespace thaw
