"""The recorder's process: projects gateways' journals into SQL."""
