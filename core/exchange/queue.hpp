#pragma once
// Queue models: the units ahead of a resting order. The data show the size of a level, not who
// stands where in it; these models estimate how a change of the level changes the part ahead of us.
//
// Of a shrinking level that no trade explains, the share `p` is taken to be canceled behind us and
// 1 - p ahead of us, with f = the units ahead of us and b = those behind us, in whole coins
// (contracts), as the models that they are named after have it: a logarithm depends on the unit.
//
//   conservative   p = 1: nobody ahead of us ever cancels (never more is ahead than is shown)
//   power n        p = b^n / (b^n + f^n)
//   power2 n       p = b^n / (b + f)^n
//   power3 n       p = 1 - (f / (f + b))^n
//   log            p = log(1 + b) / (log(1 + b) + log(1 + f))
//   log2           p = log(1 + b) / log(1 + b + f)
//
// With market-by-order data nothing is estimated: with `by_order` an order has its exact place in
// the queue, first in, first out (recorded_mbo.cpp).
//
// The probability families are those that hftbacktest documents as "Order Fill: probability queue
// models" (read 2026-11), after Rigtorp's "Estimating order queue position" (2013).
#include <array>
#include <cstdint>
#include <limits>

namespace onetape {

enum class QueueModel : std::uint8_t { conservative = 0, power, power2, power3, log, log2 };
inline constexpr std::uint8_t queue_model_count = 6;

struct QueueOptions {
    QueueModel model = QueueModel::conservative;
    double exponent = 1.0;  // n of the power families, > 0
    bool by_order = false;  // with market-by-order data: use the exact place instead of the model
};

// An instrument's quantities: units per lot, and coins per unit.
struct QueueScale {
    std::int64_t lot = 1;
    double coins = 1.0;
};

// Share of a decrease that falls behind us, 0..1. front, back: in coins.
[[nodiscard]] double share_behind(const QueueOptions& options, double front, double back) noexcept;

// A place in a queue. Prints and displays of one venue arrive on two streams, each in its own
// order: a print may come before or after the display that includes it, and a conflated display
// includes many. The venue's stamps tell which display includes which print, so that one decrease
// ahead of us is counted once.
//
// A stamp of 0 is unknown: prints are then assumed to be in the next display.
struct QueuePlace {
    static constexpr std::int64_t unknown = std::numeric_limits<std::int64_t>::max();

    std::int64_t ahead = 0;  // units ahead of us, `unknown` until the level was seen

    // Joins a level that shows `shown`, in a display with that stamp.
    void join(std::int64_t shown, std::int64_t stamp) noexcept {
        *this = {};
        ahead = last_shown_ = shown;
        exact_ = static_cast<double>(shown);
        joined_ = stamp_ = stamp;
    }
    // By order: this many units ahead of us left the queue (negative: were added).
    void advance(std::int64_t units) noexcept {
        ahead = ahead > units ? ahead - units : 0;
        exact_ = static_cast<double>(ahead);
    }
    // True for a print that was already in the display when we joined: it does not concern us.
    [[nodiscard]] bool is_past(std::int64_t stamp) const noexcept {
        return stamp != 0 && stamp <= joined_;
    }
    // For a print that comes after its display: returns the units of it that have already moved us,
    // and removes them from the record.
    [[nodiscard]] std::int64_t take_seen(std::int64_t stamp, std::int64_t size) noexcept;
    // A trade at our price: `ahead_size` of it hit orders ahead of us.
    void on_trade(std::int64_t stamp, std::int64_t trade_size, std::int64_t ahead_size) noexcept;
    // The level now shows `shown`, in a display with that stamp. A fraction of a lot that a model
    // leaves counts as a whole lot ahead of us, so that the decimals of a quantity make no
    // difference.
    void on_shown(const QueueOptions& options, const QueueScale& scale, std::int64_t shown,
                  std::int64_t stamp) noexcept;

 private:
    struct Print {
        std::int64_t stamp, size;
    };

    [[nodiscard]] std::int64_t shown_by_now(std::int64_t stamp) noexcept;
    void note_drop(double before, std::int64_t lot, std::int64_t stamp) noexcept;

    std::int64_t last_shown_ = 0;
    double exact_ = 0;                                       // as `ahead`, with its fraction
    std::int64_t joined_ = 0, stamp_ = 0, older_stamp_ = 0;  // of displays
    // Units by which the last display, and those before it, moved us without a print.
    std::int64_t dropped_ = 0, older_dropped_ = 0;
    // Prints at our price that no display includes yet, by stamp; with more stamps than room, the
    // two oldest are merged.
    std::array<Print, 16> prints_{};
    std::uint32_t print_count_ = 0;
};

}  // namespace onetape
