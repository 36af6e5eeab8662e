#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <vector>

#include "bindings/bind.hpp"
#include "bindings/errors.hpp"
#include "journal/writer.hpp"
#include "text/shape_reader.hpp"

using namespace onetape;

namespace {

// The core's words for events, times and roles, by which shapes in Python name them.
constexpr const char* shape_events[] = {"quote", "trade", "mark", "book"};
constexpr const char* shape_times[] = {"ms", "us", "ns", "iso"};
constexpr const char* shape_roles[] = {
    "skip", "symbol", "time", "bid",   "bid_size", "ask",         "ask_size", "price", "size",
    "side", "id",     "mark", "index", "first_id", "previous_id", "bids",     "asks"};
constexpr const char* shape_forms[] = {"text", "bare", "levels"};
static_assert(std::size(shape_roles) == shape_role_count);

template <std::size_t N>
[[nodiscard]] std::size_t index_of(const char* const (&names)[N], const std::string& name) {
    for (std::size_t i = 0; i < N; ++i) {
        if (name == names[i]) return i;
    }
    throw nb::value_error(("unknown name " + name).c_str());
}

// (event, time, rows, [(path, JSON)], [(role, path, form, is required)], buy, sell)
using SlotRow = std::tuple<std::string, std::string, std::string, bool>;
using ShapeRow = std::tuple<std::string, std::string, std::string,
                            std::vector<std::pair<std::string, std::string>>, std::vector<SlotRow>,
                            std::string, std::string>;
// (raw, stream, price decimals, size decimals)
using StreamRow = std::tuple<std::string, std::uint32_t, int, int>;

[[nodiscard]] Shape shape_of(const ShapeRow& row) {
    const auto& [event, time, rows, constants, roles, buy, sell] = row;
    Shape shape;
    shape.event = static_cast<ShapeEvent>(index_of(shape_events, event));
    shape.time = static_cast<ShapeTime>(index_of(shape_times, time));
    shape.rows = rows;
    shape.constants = constants;
    shape.buy = buy;
    shape.sell = sell;
    for (const auto& [role, path, form, is_required] : roles) {
        const std::size_t index = index_of(shape_roles, role);
        shape.roles.push_back({path, static_cast<ShapeRole>(index),
                               static_cast<ShapeForm>(index_of(shape_forms, form))});
        const bool is_side = role == "bids" || role == "asks";
        if (is_side != (form == "levels") || (is_side && (event != "book" || !rows.empty()))) {
            throw nb::value_error("levels are the bids and asks of a book, which is no row");
        }
        if (is_required) shape.required |= 1u << index;
    }
    return shape;
}

// A reader, and what came of its last message.
class PyShapeReader {
 public:
    PyShapeReader(const std::vector<ShapeRow>& shapes, const std::vector<StreamRow>& streams)
        : reader_(shapes_of(shapes), streams_of(streams)) {}

    // -1: not taken. Else the stream of the last quote in it, 0 where there was none.
    int take(const nb::bytes& message, std::int64_t time, Writer& writer) {
        if (!reader_.read({message.c_str(), message.size()}, time, frames_)) return -1;
        int quoted = 0;
        for (const ShapeFrame& frame : frames_) {
            const Status status = writer.append(frame.type, 0, frame.stream, time,
                                                reader_.payload(frame), frame.bytes);
            if (status != Status::ok) {
                raise(writer.failure().status == status ? writer.failure()
                                                        : Failure{status, "append"});
            }
            if (frame.type != EventType::quote) continue;
            quoted = static_cast<int>(frame.stream);
            if (frame.stream >= middles_.size()) middles_.resize(frame.stream + 1);
            // Both are above zero, and their sum fits where a sign need not.
            middles_[frame.stream] =
                static_cast<std::int64_t>((static_cast<std::uint64_t>(frame.quote.bid) +
                                           static_cast<std::uint64_t>(frame.quote.ask)) /
                                          2);
        }
        taken_ += 1;
        return quoted;
    }

    nb::object frames(const nb::bytes& message, std::int64_t time) {
        if (!reader_.read({message.c_str(), message.size()}, time, frames_)) return nb::none();
        nb::list found;
        for (const ShapeFrame& frame : frames_) {
            found.append(nb::make_tuple(static_cast<int>(frame.type), frame.stream,
                                        nb::bytes(reader_.payload(frame), frame.bytes)));
        }
        return found;
    }

    nb::object payload(const nb::bytes& message, std::int64_t time) {
        if (!reader_.read({message.c_str(), message.size()}, time, frames_) || frames_.size() != 1)
            return nb::none();
        return nb::bytes(reader_.payload(frames_[0]), frames_[0].bytes);
    }

    bool learn(const nb::bytes& message) {
        return reader_.learn({message.c_str(), message.size()});
    }

    [[nodiscard]] std::int64_t middle(std::uint32_t stream) const {
        return stream < middles_.size() ? middles_[stream] : 0;
    }
    [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }
    [[nodiscard]] std::size_t layouts() const noexcept { return reader_.layout_count(); }

 private:
    [[nodiscard]] static std::vector<Shape> shapes_of(const std::vector<ShapeRow>& rows) {
        std::vector<Shape> out;
        for (const ShapeRow& row : rows) out.push_back(shape_of(row));
        return out;
    }
    [[nodiscard]] static std::vector<ShapeStream> streams_of(const std::vector<StreamRow>& rows) {
        std::vector<ShapeStream> out;
        for (const auto& [raw, stream, price, size] : rows) {
            out.push_back({raw, stream, price, size});
        }
        return out;
    }

    ShapeReader reader_;
    std::vector<ShapeFrame> frames_;
    std::vector<std::int64_t> middles_;  // by stream
    std::uint64_t taken_ = 0;
};

}  // namespace

// Live market messages of usual shapes. onetape/venues/shapes.py says what a shape is.
void bind_text_shapes(nb::module_& m) {
    nb::class_<PyShapeReader>(m, "ShapeReader")
        .def(nb::init<const std::vector<ShapeRow>&, const std::vector<StreamRow>&>(),
             nb::arg("shapes"), nb::arg("streams"))
        .def("take", &PyShapeReader::take, nb::arg("message"), nb::arg("time"), nb::arg("writer"),
             "Appends the events of a message: the stream of its last quote, 0 where it had none, "
             "-1 for a message that is not taken.")
        .def("frames", &PyShapeReader::frames, nb::arg("message"), nb::arg("time"),
             nb::sig("def frames(self, message: bytes, time: int) -> "
                     "list[tuple[int, int, bytes]] | None"),
             "[(type, stream, payload)] of a message, None for one that is not taken.")
        .def("payload", &PyShapeReader::payload, nb::arg("message"), nb::arg("time"),
             nb::sig("def payload(self, message: bytes, time: int) -> bytes | None"),
             "The payload of a message that is one event, None for one that is not taken.")
        .def("learn", &PyShapeReader::learn, nb::arg("message"),
             "Remembers how a message that was not taken is laid out, if it is of a shape.")
        .def("middle", &PyShapeReader::middle, nb::arg("stream"),
             "(bid + ask) // 2 of the stream's last quote, 0 before it.")
        .def_prop_ro("taken", &PyShapeReader::taken)
        .def_prop_ro("layouts", &PyShapeReader::layouts);
}
