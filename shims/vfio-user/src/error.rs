//! Why a controller cannot be served, or not any longer.

use core::fmt;
use std::path::PathBuf;

/// Why serving failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// Something has the name of the socket.
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The socket cannot be made.
    Bind {
        /// Its name.
        path: PathBuf,
        /// Why.
        source: vfio_user::Error,
    },
    /// The client broke the protocol, or the connection broke.
    Client {
        /// How.
        source: vfio_user::Error,
    },
    /// The client sent what the protocol's library does not survive.
    Protocol,
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { path } => {
                write!(f, "{} exists; remove it if no server uses it", path.display())
            }
            Self::Bind { path, source: vfio_user::Error::SocketBind(source) } => {
                write!(f, "{}: {source}", path.display())
            }
            Self::Bind { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Client { source } => write!(f, "the client: {source}"),
            Self::Protocol => f.write_str("the client does not speak vfio-user"),
        }
    }
}

impl core::error::Error for ServeError {}
