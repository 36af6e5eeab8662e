#include "exchange/queue_fit.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace onetape {

namespace {

constexpr std::size_t bins_max = 256;
// Probability of events that the model excludes: a print missing on the tape, a hidden order. One
// such event must not outweigh all others.
constexpr double surprise = 1e-3;

// Probability distribution of the units ahead of us, on a grid of whole units or of parts of the
// joined level.
class Ahead {
 public:
    explicit Ahead(std::int64_t shown)
        : width_(std::max(1.0, static_cast<double>(shown) / static_cast<double>(bins_max))),
          mass_(static_cast<std::size_t>(std::llround(static_cast<double>(shown) / width_)) + 1),
          next_(mass_.size()),
          low_(mass_.size() - 1),
          high_(mass_.size() - 1) {
        mass_.back() = 1.0;
    }

    // move(units, probability, put): distributes the probability of these units.
    template <class Move>
    void transform(const Move& move) {
        std::size_t low = mass_.size() - 1;
        std::size_t high = 0;
        std::fill_n(next_.begin(), high_ + 1, 0.0);
        const auto put = [&](double units, double probability) {
            if (probability <= 0.0) return;
            const double at = std::clamp(units / width_, 0.0, static_cast<double>(high_));
            const auto begin = static_cast<std::size_t>(at);
            const double above = at - static_cast<double>(begin);
            next_[begin] += probability * (1.0 - above);
            if (above > 0.0) next_[begin + 1] += probability * above;
            low = std::min(low, begin);
            high = std::max(high, above > 0.0 ? begin + 1 : begin);
        };
        for (std::size_t i = low_; i <= high_; ++i)
            if (mass_[i] > 0.0) move(static_cast<double>(i) * width_, mass_[i], put);
        mass_.swap(next_);
        low_ = low;
        high_ = high;
    }

    [[nodiscard]] double half() const noexcept { return width_ / 2; }  // of a bin
    // Probability of all values that `which` selects.
    template <class Which>
    [[nodiscard]] double sum(const Which& which) const {
        double found = 0.0;
        for (std::size_t i = low_; i <= high_; ++i)
            if (which(static_cast<double>(i) * width_)) found += mass_[i];
        return found;
    }

 private:
    double width_;
    std::vector<double> mass_, next_;
    std::size_t low_, high_;  // all probability is within
};

}  // namespace

QueueLikelihood likelihood_of(const QueueOptions& options, double coins,
                              std::span<const QueueStep> steps) {
    QueueLikelihood found;
    if (steps.empty()) return found;
    Ahead ahead(steps.front().size);
    std::int64_t shown = steps.front().size;
    std::int64_t traded = 0;
    for (const QueueStep& step : steps.subspan(1)) {
        const auto size = static_cast<double>(step.size);
        if (step.is_print == 0) {
            const auto gone = static_cast<double>(shown - step.size - traded);
            const auto level = static_cast<double>(shown);  // as in QueuePlace
            ahead.transform([&](double front, double probability, const auto& put) {
                if (gone <= 0.0) return put(std::min(front, size), probability);
                const double share = share_behind(options, front * coins, (level - front) * coins);
                put(std::min(front, size), probability * share);
                put(std::min(front - gone, size), probability * (1.0 - share));
            });
            shown = step.size;
            traded = 0;
            continue;
        }
        traded += step.size;
        const double reached = ahead.sum([&](double front) { return front < size - ahead.half(); });
        found.expected += reached;
        found.variance += reached * (1.0 - reached);
        const auto agrees = [&](double front) {
            const double at_most = size - static_cast<double>(step.filled) + ahead.half();
            if (step.filled == 0) return front >= size - ahead.half();
            return front <= at_most &&
                   (step.filled >= step.left || front >= at_most - 2 * ahead.half());
        };
        const double said = ahead.sum(agrees);
        found.log += std::log((1.0 - surprise) * said + surprise);
        if (step.filled != 0) break;
        ahead.transform([&](double front, double probability, const auto& put) {
            if (said <= 0.0)
                put(front - size, probability);
            else if (agrees(front))
                put(front - size, probability / said);
        });
    }
    return found;
}

std::int64_t place_error(const QueueOptions& options, const QueueScale& scale,
                         std::span<const QueueStep> steps) noexcept {
    QueuePlace place;
    std::int64_t since = 0;  // traded since nothing was ahead of us
    bool first = true;
    for (const QueueStep& step : steps) {
        if (first) {
            place.join(step.size, 0);
            first = false;
        } else if (step.is_print == 0) {
            place.on_shown(options, scale, step.size, 0);
        } else {
            const std::int64_t others = step.size - step.filled;
            const std::int64_t before = std::min(place.ahead, others);
            place.on_trade(0, step.size, before);
            since += others - before;
            if (step.filled != 0) return place.ahead > 0 ? place.ahead : -since;
        }
    }
    return 0;
}

}  // namespace onetape
