#pragma once
// How many units stand before a resting order. The data show the size of a level, not who of it
// stands where; these models say what happens to the part before us when the level changes.
//
// Of a shrinking level that no trade explains, the share `p` is taken to be canceled behind us and
// 1 - p before us, with f = units before us and b = units behind us:
//
//   conservative   p = 1: nobody before us ever cancels (never more is before us than is shown)
//   power n        p = b^n / (b^n + f^n)
//   power2 n       p = b^n / (b + f)^n
//   power3 n       p = 1 - (f / (f + b))^n
//   log            p = log(1 + b) / (log(1 + b) + log(1 + f))
//   log2           p = log(1 + b) / log(1 + b + f)
//
// Where they do show who stands where (market by order), nothing is guessed: with `by_order` an
// order has its exact place in the queue, first in, first out (recorded_mbo.cpp).
//
// The probability families are those that hftbacktest documents as "Order Fill: probability queue
// models" (read 2026-11), after Rigtorp's "Estimating order queue position" (2013).
#include <cstdint>
#include <limits>

namespace onetape {

enum class QueueModel : std::uint8_t { conservative = 0, power, power2, power3, log, log2 };
inline constexpr std::uint8_t queue_model_count = 6;

struct QueueOptions {
    QueueModel model = QueueModel::conservative;
    double exponent = 1.0;  // n of the power families, > 0
    bool by_order = false;  // where the data say every order: its exact place instead of the model
};

// Share of a shrinking that falls behind us, 0..1.
[[nodiscard]] double share_behind(const QueueOptions& options, double front, double back) noexcept;

struct QueuePlace {
    static constexpr std::int64_t unknown = std::numeric_limits<std::int64_t>::max();

    std::int64_t ahead = 0;  // units before us, `unknown` until the level was seen

    // Joins a level that shows `shown`.
    void join(std::int64_t shown) noexcept {
        *this = {};
        ahead = last_shown_ = shown;
        exact_ = static_cast<double>(shown);
    }
    // By order: so many units left the queue before us (negative: turned out to be there).
    void advance(std::int64_t units) noexcept {
        ahead = ahead > units ? ahead - units : 0;
        exact_ = static_cast<double>(ahead);
    }
    // Of a trade at our price `ahead_size` hit what stood before us.
    void on_trade(std::int64_t trade_size, std::int64_t ahead_size) noexcept {
        ahead -= ahead_size;
        exact_ = ahead == 0 ? 0.0 : exact_ - static_cast<double>(ahead_size);
        traded_ += trade_size;
    }
    // The level shows `shown` now.
    void on_shown(const QueueOptions& options, std::int64_t shown) noexcept;

 private:
    std::int64_t last_shown_ = 0, traded_ = 0;  // traded at our price since the last look
    double exact_ = 0;                          // as `ahead`, with its fraction
};

}  // namespace onetape
