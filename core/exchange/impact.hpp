#pragma once
// The impact of a run's own trades on the recorded market of one instrument, by the square-root
// law:
//
//     displacement = coefficient * sigma * sqrt(Q / V)
//
// sigma and V are price movement and volume over the same trailing window, so that its length
// cancels out. Q has two parts: own taking, signed, which decays with time (transient), and the
// run's position (permanent). The displacement counts against own orders only: an own push never
// improves a price. docs/concepts/fills.md, "Own impact".
#include <array>
#include <cstddef>
#include <cstdint>

#include "journal/events.hpp"

namespace onetape {

struct ImpactOptions {
    double coefficient = 0;      // 0: own trades move nothing
    double permanent = 0;        // share of the law that follows the position, 0 to 1
    std::int64_t half_life = 1;  // ns in which the transient displacement halves
    std::int64_t window =
        1;  // ns over which sigma and V are measured; with longer bars: that many bars

    [[nodiscard]] bool is_on() const noexcept { return coefficient > 0; }
};

class OwnImpact {
 public:
    static constexpr std::size_t samples_kept = 60;
    static constexpr std::size_t samples_min = 10;  // fewer do not determine sigma

    explicit OwnImpact(const ImpactOptions& options) noexcept : options_(options) {}

    // Observes the market. price_doubled: twice the price, 0: unknown. Only samples complete by
    // `now` count.
    void see(std::int64_t now, std::int64_t price_doubled, std::int64_t volume) noexcept;
    void see_bar(const BarPayload& bar) noexcept;

    void note_taken(std::int64_t now, Side side, std::int64_t size) noexcept;
    void note_held(Side side, std::int64_t size) noexcept {
        held_ += side == Side::buy ? static_cast<double>(size) : -static_cast<double>(size);
    }

    // True if sigma and V are known by now: enough samples, and some volume.
    [[nodiscard]] bool is_measured(std::int64_t now) noexcept;
    // Whole ticks by which the market is worse for an order of that side, nearest, never below 0:
    // before it takes anything, and after it has taken `size`.
    [[nodiscard]] std::int64_t ticks(Side side, std::int64_t now, std::int64_t tick,
                                     std::int64_t size = 0) noexcept;
    // The same on average over `size`, after `before` of the same order was taken. size > 0.
    [[nodiscard]] std::int64_t average_ticks(Side side, std::int64_t now, std::int64_t tick,
                                             std::int64_t before, std::int64_t size) noexcept;

 private:
    struct Sample {
        double square = 0, volume = 0;
    };
    struct Pressure {  // units that weigh against a side; negative: in its favor
        double taken, held;
    };

    void close_samples(std::int64_t now) noexcept;
    void forget() noexcept;
    void keep(double move, double volume) noexcept;
    [[nodiscard]] Pressure pressure(Side side, std::int64_t now) const noexcept;
    [[nodiscard]] static std::int64_t rounded(double distance, std::int64_t tick) noexcept;

    ImpactOptions options_;
    std::array<Sample, samples_kept> samples_{};
    std::size_t next_ = 0, count_ = 0;
    double scale_ = 0;         // price units per square root of one unit
    bool has_volume_ = false;  // some volume in the window
    std::int64_t sample_end_ = 0, step_ = 0, bar_period_ = 0;
    std::int64_t first_ = 0, last_ = 0;  // prices of the current sample, doubled
    double volume_ = 0;                  // of the current sample
    double taken_ = 0, held_ = 0;        // units, bought minus sold
    std::int64_t taken_time_ = 0;
};

}  // namespace onetape
