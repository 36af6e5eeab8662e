#pragma once
// Counts of sent orders: of all robots together in this second, and of each robot. Times ns.
#include <algorithm>
#include <cstdint>
#include <unordered_map>

namespace onetape {

class OrderRates {
 public:
    static constexpr std::int64_t second = 1'000'000'000;
    // Window of a robot's rate: orders not used within it may be sent at once.
    static constexpr std::int64_t burst_s = 10;

    // Orders of all robots in this second; messages: including amendments and cancels.
    [[nodiscard]] std::int64_t sent_this_second(std::int64_t now) const noexcept {
        return sent_.in(now);
    }
    [[nodiscard]] std::int64_t messages_this_second(std::int64_t now) const noexcept {
        return messages_.in(now);
    }
    // How far the robot is ahead of its rate: ns until its sent orders are within it.
    [[nodiscard]] std::int64_t ahead_ns(std::int64_t robot, std::int64_t now) const {
        const auto found = due_.find(robot);
        return found == due_.end() ? 0 : std::max<std::int64_t>(found->second - now, 0);
    }
    // Whether a robot with this rate (orders per second) may send one more. 0: no limit.
    [[nodiscard]] bool may_send(std::int64_t robot, std::int64_t rate, std::int64_t now) const {
        return rate == 0 || ahead_ns(robot, now) <= (rate * burst_s - 1) * second / rate;
    }

    void message(std::int64_t now) noexcept { messages_.add(now); }
    // Counts one order.
    void count(std::int64_t robot, std::int64_t rate, std::int64_t now) {
        sent_.add(now);
        if (rate == 0) return;
        std::int64_t& due = due_[robot];
        due = std::max(due, now) + second / rate;
    }
    // The clock was set by `step`.
    void restate(std::int64_t step) {
        for (auto& [robot, due] : due_) due += step;
    }

 private:
    struct Count {
        std::int64_t second_of = 0, count = 0;
        [[nodiscard]] std::int64_t in(std::int64_t now) const noexcept {
            return now / second == second_of ? count : 0;
        }
        void add(std::int64_t now) noexcept {
            count = in(now) + 1;
            second_of = now / second;
        }
    };
    Count sent_, messages_;
    std::unordered_map<std::int64_t, std::int64_t> due_;  // by robot
};

}  // namespace onetape
