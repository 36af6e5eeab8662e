"""The process that merges the collectors' journals into one market."""
