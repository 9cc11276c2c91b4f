// One process alone: every collective is the identity, and there is nobody to send to.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "framework/base/error.h"
#include "framework/comm/communicator.h"

namespace thaw {
namespace {

class SingleCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  const char* backend() const override { return "single"; }
  std::unique_ptr<Communicator> split_node() override { return std::make_unique<SingleCommunicator>(); }
  std::unique_ptr<Communicator> split(int) override { return std::make_unique<SingleCommunicator>(); }
  [[noreturn]] void abort(int exit_code) override { std::_Exit(exit_code); }

 protected:
  void do_barrier() override {}
  void do_broadcast(void*, std::size_t, int) override {}
  std::unique_ptr<Request> do_all_reduce(void*, std::size_t, CommType, CommOp) override { return done_already(); }
  std::unique_ptr<Request> do_tree_sum(std::shared_ptr<const SumTree> tree, std::vector<float*> pieces, float* sum,
                                       std::size_t count) override {
    add_pieces(
        *tree, [&](std::size_t, std::size_t number) { return pieces[number]; }, sum, count);
    return done_already();
  }
  void do_all_gather(const void* data, std::size_t bytes, void* into) override { std::memmove(into, data, bytes); }
  void do_send(const void*, std::size_t, int to, int) override {
    throw CommError(ExitCode::bug, "send to rank {}: expected several ranks, found one", to);
  }
  void do_receive(void*, std::size_t, int from, int) override {
    throw CommError(ExitCode::bug, "receive from rank {}: expected several ranks, found one", from);
  }
};

}  // namespace

std::unique_ptr<Communicator> make_single_communicator() { return std::make_unique<SingleCommunicator>(); }

}  // namespace thaw
