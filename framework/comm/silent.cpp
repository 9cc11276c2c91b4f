#include "framework/comm/silent.h"

#include <cstdlib>
#include <cstring>
#include <utility>

namespace thaw {
namespace {

class Silent final : public Communicator {
 public:
  explicit Silent(std::shared_ptr<Communicator> comm) : comm_(std::move(comm)) {}
  int rank() const override { return comm_->rank(); }
  int size() const override { return comm_->size(); }
  const char* backend() const override { return comm_->backend(); }
  std::unique_ptr<Communicator> split_node() override { return comm_->split_node(); }
  std::unique_ptr<Communicator> split(int colour) override { return comm_->split(colour); }
  [[noreturn]] void abort(int exit_code) override {
    comm_->abort(exit_code);
    std::_Exit(exit_code);  // GCC 12 does not take a virtual function's word for it
  }

 protected:
  void do_barrier() override { comm_->barrier(); }
  void do_broadcast(void* data, std::size_t bytes, int root) override { comm_->broadcast(data, bytes, root); }
  std::unique_ptr<Request> do_all_reduce(void* data, std::size_t count, CommType type, CommOp op) override {
    return type == CommType::f32 && op == CommOp::sum ? done_already() : comm_->all_reduce_async(data, count, type, op);
  }
  std::unique_ptr<Request> do_tree_sum(std::shared_ptr<const SumTree>, std::vector<float*> pieces, float* sum, std::size_t count) override {
    if (!pieces.empty() && pieces.front() != sum) std::memcpy(sum, pieces.front(), count * sizeof(float));
    return done_already();
  }
  void do_all_gather(const void* data, std::size_t bytes, void* into) override { comm_->all_gather(data, bytes, into); }
  void do_send(const void* data, std::size_t bytes, int to, int tag) override { comm_->send(data, bytes, to, tag); }
  void do_receive(void* data, std::size_t bytes, int from, int tag) override { comm_->receive(data, bytes, from, tag); }

 private:
  std::shared_ptr<Communicator> comm_;
};

}  // namespace

std::shared_ptr<Communicator> silent(std::shared_ptr<Communicator> comm) { return std::make_shared<Silent>(std::move(comm)); }

}  // namespace thaw
