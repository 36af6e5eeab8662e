#include <nanobind/stl/string.h>

#include "bindings/bind.hpp"
#include "journal/events.hpp"
#include "journal/frame.hpp"

using namespace onetape;

// Schemas as plain values: onetape/tape/schema.py turns them into dtypes and segment preambles.
void bind_events(nb::module_& m) {
    m.def(
        "event_specs",
        [] {
            nb::list events;
            for (const EventSpec& spec : event_specs()) {
                nb::list fields;
                for (const FieldSpec& field : spec.fields) {
                    fields.append(nb::make_tuple(
                        field.name, nb::str(&field.kind, 1), field.bytes, field.offset,
                        field.names ? nb::object(nb::str(field.names)) : nb::object(nb::none())));
                }
                events.append(nb::make_tuple(
                    static_cast<int>(spec.type), spec.name, spec.fixed, spec.payload_bytes,
                    nb::tuple(fields),
                    spec.tail ? nb::object(nb::str(spec.tail)) : nb::object(nb::none())));
            }
            return nb::tuple(events);
        },
        "All event types: (id, name, fixed, payload bytes, ((field, kind, bytes, offset, names), "
        "...), tail).");
}
