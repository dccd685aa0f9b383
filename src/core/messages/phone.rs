//! Which phone numbers do we accept, and how do we write them down?
//!
//! By the rules of libphonenumber, for mobile numbers, with the texts that clients of the reference server know
//! (WIRE §3.1, §6.5). It does not know where a number comes from, nor that a request may ask to skip all this.

use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region};

/// Why a number was refused. `Display` is the text for the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No number can be read out of the text.
    #[error("failed to parse phone number: {0}")]
    Unreadable(Unreadable),
    /// A number, but none that the numbering plan of its country knows.
    #[error("invalid phone number")]
    Invalid,
    /// A valid number that cannot receive text messages, as far as its type tells.
    #[error("not mobile phone number")]
    NotMobile,
}

/// What stopped the parser. The texts are those of the reference's library.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// There is no number in the text.
    #[error("the phone number supplied is not a number")]
    NotANumber,
    /// It begins with a `+` and digits that no country has.
    #[error("invalid country code")]
    CountryCode,
    /// Nothing useful follows an international dialling prefix.
    #[error("phone number had an IDD, but after this was not long enough to be a viable phone number")]
    TooShortAfterPrefix,
    /// Fewer digits than any number has.
    #[error("the string supplied is too short to be a phone number")]
    TooShort,
    /// More digits than any number has.
    #[error("the string supplied is too long to be a phone number")]
    TooLong,
}

/// The number in its international form (E.164), if it is one that can receive text messages. `home` is the country of
/// a number that is written without one (`messages.default_region`).
pub(crate) fn normalize(text: &str, home: Region) -> Result<String, Refusal> {
    let number = PhoneNumber::parse(text, Some(home)).map_err(|error| Refusal::Unreadable(Unreadable::from(error)))?;
    if !number.is_valid() {
        return Err(Refusal::Invalid);
    }
    let kind = number.get_type();
    if kind != PhoneNumberType::Mobile && kind != PhoneNumberType::FixedLineOrMobile {
        return Err(Refusal::NotMobile);
    }
    Ok(PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).into_owned())
}

impl From<ParseError> for Unreadable {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::InvalidCountryCode => Self::CountryCode,
            ParseError::NotANumber(_) => Self::NotANumber,
            ParseError::TooShortAfterIdd => Self::TooShortAfterPrefix,
            ParseError::TooShortNsn => Self::TooShort,
            ParseError::TooLongNsn => Self::TooLong,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use rlibphonenumber::Region;

    use super::normalize;

    /// Every pair of these was recorded from the reference (exchanges/messages-numbers.yaml).
    #[test]
    fn numbers_are_written_in_one_form() {
        for (given, written) in [
            ("+79990001234", "+79990001234"),
            ("89990001234", "+79990001234"),
            ("79990001234", "+79990001234"),
            ("9990001234", "+79990001234"),
            ("+7 (999) 000-12-34", "+79990001234"),
            ("8 999 000 12 34", "+79990001234"),
            ("tel:+79990001234", "+79990001234"),
            ("+4915112345678", "+4915112345678"),
            ("+12025550123", "+12025550123"),
            ("+7999CALLME1", "+79992255631"),
        ] {
            assert_eq!(normalize(given, Region::RU).as_deref(), Ok(written), "{given}");
        }
    }

    #[test]
    fn a_number_without_a_country_is_one_of_the_home_region() {
        for (given, home, written) in [
            ("0151 12345678", Region::DE, "+4915112345678"),
            ("(202) 555-0123", Region::US, "+12025550123"),
            ("+7 999 000 12 34", Region::DE, "+79990001234"),
        ] {
            assert_eq!(normalize(given, home).as_deref(), Ok(written), "{given}");
        }
    }

    #[test]
    fn refusals_have_the_texts_of_the_reference() {
        for (given, text) in [
            (
                "abc",
                "failed to parse phone number: the phone number supplied is not a number",
            ),
            (
                " ",
                "failed to parse phone number: the phone number supplied is not a number",
            ),
            (
                "+7",
                "failed to parse phone number: the phone number supplied is not a number",
            ),
            (
                "+491",
                "failed to parse phone number: the string supplied is too short to be a phone number",
            ),
            ("+999123456789", "failed to parse phone number: invalid country code"),
            ("+79990", "invalid phone number"),
            ("+7999000123456789", "invalid phone number"),
            ("123", "invalid phone number"),
            ("+74951234567", "not mobile phone number"),
            (
                "81012",
                "failed to parse phone number: phone number had an IDD, but after this was not long enough to be a viable phone number",
            ),
            (
                "+712345678901234567890",
                "failed to parse phone number: the string supplied is too long to be a phone number",
            ),
        ] {
            let refusal = normalize(given, Region::RU).unwrap_err().to_string();
            assert_eq!(refusal, text, "{given}");
        }
    }

    proptest! {
        #[test]
        fn no_text_brings_the_parser_down(text in r"(tel:)?[+0-9A-Za-z ()./;=,#*xX~\-\u{ff0b}٣é]{0,128}|\PC{0,128}") {
            if let Ok(number) = normalize(&text, Region::RU) {
                prop_assert_eq!(normalize(&number, Region::RU), Ok(number.clone()), "normal forms stay");
            }
        }
    }
}
