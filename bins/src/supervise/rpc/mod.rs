//! XML-RPC: calls and answers as bytes, for the server and for the client.

mod clean;
mod faults;
mod read;
mod source;
#[cfg(test)]
mod tests;
mod value;
mod write;

pub use clean::{clean, clean_bytes};
pub use faults::{FaultCode, name_of};
pub use read::{ReadError, read_answer, read_call};
pub use value::{Call, Fault, Value};
pub use write::{write_answer, write_call};
