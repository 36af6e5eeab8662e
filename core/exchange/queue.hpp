#pragma once
// How many units stand before a resting order. The data show the size of a level, not who of it
// stands where; these models say what happens to the part before us when the level changes.
//
// Of a shrinking level that no trade explains, the share `p` is taken to be canceled behind us and
// 1 - p before us, with f = what is before us and b = what is behind us, in whole coins
// (contracts), as the models that they are named after have it: a logarithm depends on the unit.
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
#include <array>
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

// An instrument's quantities: so many units are a lot, and so many coins are a unit.
struct QueueScale {
    std::int64_t lot = 1;
    double coins = 1.0;
};

// Share of a shrinking that falls behind us, 0..1. front, back: in coins.
[[nodiscard]] double share_behind(const QueueOptions& options, double front, double back) noexcept;

// A place in a queue. Prints and displays of one venue reach us over two ways, each in its own
// order: a print may come before the display that has it, or after it, and a conflated display has
// many of them at once. The venue's stamps tell which display has which print, so that what a print
// took from before us and what the display lost by it move us once.
//
// A stamp of 0 is not known: then prints are taken to be in the next display.
struct QueuePlace {
    static constexpr std::int64_t unknown = std::numeric_limits<std::int64_t>::max();

    std::int64_t ahead = 0;  // units before us, `unknown` until the level was seen

    // Joins a level that shows `shown`, by a display with that stamp.
    void join(std::int64_t shown, std::int64_t stamp) noexcept {
        *this = {};
        ahead = last_shown_ = shown;
        exact_ = static_cast<double>(shown);
        joined_ = stamp_ = stamp;
    }
    // By order: so many units left the queue before us (negative: turned out to be there).
    void advance(std::int64_t units) noexcept {
        ahead = ahead > units ? ahead - units : 0;
        exact_ = static_cast<double>(ahead);
    }
    // A print that the display had when we joined: it is none of our business.
    [[nodiscard]] bool is_past(std::int64_t stamp) const noexcept {
        return stamp != 0 && stamp <= joined_;
    }
    // Of a print that comes after its display: the units whose going has moved us already. They
    // are not given again.
    [[nodiscard]] std::int64_t take_seen(std::int64_t stamp, std::int64_t size) noexcept;
    // Of a trade at our price `ahead_size` hit what stood before us.
    void on_trade(std::int64_t stamp, std::int64_t trade_size, std::int64_t ahead_size) noexcept;
    // The level shows `shown` now, by a display with that stamp.
    // What a model leaves of a lot stands before us whole, so that how many decimals a quantity is
    // written with changes nothing.
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
    // Prints at our price that no display has yet, by stamp; where there are more stamps, the two
    // oldest are one.
    std::array<Print, 16> prints_{};
    std::uint32_t print_count_ = 0;
};

}  // namespace onetape
