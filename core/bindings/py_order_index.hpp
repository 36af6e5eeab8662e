#pragma once
// The orders of an account at a venue that is a Python object.
#include <nanobind/nanobind.h>

#include <utility>

#include "bindings/order_spec.hpp"
#include "orders/order_index.hpp"

namespace onetape {

namespace nb = nanobind;

// Reads a venue's traits on demand: they may be known only once its instruments are.
class PyOrderIndex final : public OrderIndex {
 public:
    explicit PyOrderIndex(nb::object venue) : venue_(std::move(venue)) {}

    [[nodiscard]] OrderTraits traits() const override {
        const nb::object traits = Fields(venue_).field<"traits">();
        const Fields of(traits);
        return {of.flag<"positions">(), of.flag<"conditionals">()};
    }

 private:
    nb::object venue_;
};

}  // namespace onetape
