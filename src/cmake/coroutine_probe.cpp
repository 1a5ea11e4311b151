// Exit code 0 when an aggregate temporary in a co_await expression is destroyed exactly once.
#include <coroutine>
#include <exception>

namespace {
int alive = 0;
struct Counted {
  Counted() { ++alive; }
  Counted(const Counted&) { ++alive; }
  Counted(Counted&&) noexcept { ++alive; }
  ~Counted() { --alive; }
};
struct Aggregate {
  Counted member;
};
struct Task {
  struct promise_type {
    std::coroutine_handle<> waiter;
    Task get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct Final {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) noexcept {
        return h.promise().waiter ? h.promise().waiter : std::noop_coroutine();
      }
      void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
  bool await_ready() { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) {
    handle.promise().waiter = h;
    return handle;
  }
  void await_resume() { handle.destroy(); }
};
Task consume(Aggregate) {
  co_return;
}
Task probe() {
  co_await consume(Aggregate{});
}
}  // namespace

int main() {
  Task task = probe();
  task.handle.resume();
  task.handle.destroy();
  return alive == 0 ? 0 : 1;
}
