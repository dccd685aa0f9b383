//! In which ways can a request head be bad? A closed set: each way has a status and a label.

use std::fmt;

/// Why a head is refused. [`FramingError::label`] is what logs and metrics say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramingError {
    /// The header fields are longer than the limit.
    HeadTooLarge,
    /// More than [`MAX_FIELDS`](super::MAX_FIELDS) header fields.
    TooManyFields,
    /// The request target is longer than [`MAX_TARGET`](super::MAX_TARGET), or its path than
    /// [`MAX_PATH`](super::MAX_PATH).
    TargetTooLong,
    /// Line feed without carriage return.
    BareLineFeed,
    /// Carriage return without line feed.
    BareCarriageReturn,
    /// Not `method SP target SP version`.
    RequestLine,
    /// The method is not a token or unreasonably long.
    Method,
    /// CONNECT: this is no tunnel.
    Connect,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    Version,
    /// The target is not in origin form (RFC 9112 §3.2.1).
    TargetForm,
    /// A byte that may not stand in a target: control, space, non-ASCII or `#`.
    TargetByte,
    /// A header line without a colon.
    HeaderLine,
    /// A header without a name, or a name that is not a token (also: blank before the colon).
    HeaderName,
    /// A header line that begins with a blank (obs-fold, RFC 9112 §5.2).
    Fold,
    /// A control byte in a header value.
    ControlByte,
    /// A byte above 0x7F in a header value.
    NonAscii,
    /// No Host in HTTP/1.1.
    HostMissing,
    /// More than one Host.
    HostRepeated,
    /// A Host that is no host.
    HostMalformed,
    /// More than one Content-Length, equal or not.
    LengthRepeated,
    /// A Content-Length that is not a plain number.
    LengthMalformed,
    /// Content-Length and Transfer-Encoding together.
    LengthAndEncoding,
    /// More than one Transfer-Encoding.
    EncodingRepeated,
    /// A Transfer-Encoding other than exactly `chunked`.
    EncodingUnknown,
    /// Transfer-Encoding in HTTP/1.0.
    EncodingInHttp10,
    /// A framing header spelled with an underscore, which some servers read as a hyphen.
    Disguised,
}

impl FramingError {
    /// Every way in which a head can be bad.
    pub const ALL: [Self; 26] = [
        Self::HeadTooLarge,
        Self::TooManyFields,
        Self::TargetTooLong,
        Self::BareLineFeed,
        Self::BareCarriageReturn,
        Self::RequestLine,
        Self::Method,
        Self::Connect,
        Self::Version,
        Self::TargetForm,
        Self::TargetByte,
        Self::HeaderLine,
        Self::HeaderName,
        Self::Fold,
        Self::ControlByte,
        Self::NonAscii,
        Self::HostMissing,
        Self::HostRepeated,
        Self::HostMalformed,
        Self::LengthRepeated,
        Self::LengthMalformed,
        Self::LengthAndEncoding,
        Self::EncodingRepeated,
        Self::EncodingUnknown,
        Self::EncodingInHttp10,
        Self::Disguised,
    ];

    /// HTTP status of the answer; the connection is closed after it.
    pub fn status(self) -> u16 {
        match self {
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::TargetTooLong => 414,
            Self::Connect => 405,
            Self::BareLineFeed
            | Self::BareCarriageReturn
            | Self::RequestLine
            | Self::Method
            | Self::Version
            | Self::TargetForm
            | Self::TargetByte
            | Self::HeaderLine
            | Self::HeaderName
            | Self::Fold
            | Self::ControlByte
            | Self::NonAscii
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostMalformed
            | Self::LengthRepeated
            | Self::LengthMalformed
            | Self::LengthAndEncoding
            | Self::EncodingRepeated
            | Self::EncodingUnknown
            | Self::EncodingInHttp10
            | Self::Disguised => 400,
        }
    }

    /// The closed-set word for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyFields => "too_many_fields",
            Self::TargetTooLong => "target_too_long",
            Self::BareLineFeed => "bare_line_feed",
            Self::BareCarriageReturn => "bare_carriage_return",
            Self::RequestLine => "request_line",
            Self::Method => "method",
            Self::Connect => "connect",
            Self::Version => "version",
            Self::TargetForm => "target_form",
            Self::TargetByte => "target_byte",
            Self::HeaderLine => "header_line",
            Self::HeaderName => "header_name",
            Self::Fold => "fold",
            Self::ControlByte => "control_byte",
            Self::NonAscii => "non_ascii",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::HostMalformed => "host_malformed",
            Self::LengthRepeated => "length_repeated",
            Self::LengthMalformed => "length_malformed",
            Self::LengthAndEncoding => "length_and_encoding",
            Self::EncodingRepeated => "encoding_repeated",
            Self::EncodingUnknown => "encoding_unknown",
            Self::EncodingInHttp10 => "encoding_in_http10",
            Self::Disguised => "disguised_framing_header",
        }
    }
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
