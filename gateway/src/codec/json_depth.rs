//! A bound on how deep JSON may nest.

/// Deepest nesting of a payload that counts as JSON: what common readers take, serde among them.
pub const MOST_LEVELS: usize = 127;

/// Whether no array or object of a valid document lies deeper than [`MOST_LEVELS`].
///
/// Without recursion, so that a hostile document costs no stack.
#[must_use]
pub fn is_shallow(document: &[u8]) -> bool {
    // Every level takes an opening and a closing byte.
    if document.len() <= 2 * MOST_LEVELS {
        return true;
    }
    let mut levels = 0usize;
    let mut at = 0;
    while let Some(&byte) = document.get(at) {
        match byte {
            b'[' | b'{' => {
                levels += 1;
                if levels > MOST_LEVELS {
                    return false;
                }
            }
            b']' | b'}' => levels = levels.saturating_sub(1),
            b'"' => at = end_of_string(document, at + 1),
            _ => {}
        }
        at += 1;
    }
    true
}

/// Where the closing quote of a string lies that starts at `at`.
fn end_of_string(document: &[u8], mut at: usize) -> usize {
    while let Some(rest) = document.get(at..) {
        match memchr::memchr2(b'"', b'\\', rest) {
            None => return document.len(),
            Some(found) if rest.get(found) == Some(&b'"') => return at + found,
            // What follows a backslash is no closing quote.
            Some(found) => at += found + 2,
        }
    }
    document.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels)).into_bytes()
    }

    #[test]
    fn levels_are_counted_outside_of_strings() {
        assert!(is_shallow(&nested(MOST_LEVELS)));
        assert!(!is_shallow(&nested(MOST_LEVELS + 1)));
        assert!(!is_shallow(&nested(100_000)));
        let text = format!("[{}\"{}\\\"{}\"]", "[],".repeat(200), "[".repeat(300), "{".repeat(300));
        assert!(is_shallow(text.as_bytes()));
        let mut hidden = br#"["a\\","#.to_vec();
        hidden.extend(nested(MOST_LEVELS));
        hidden.push(b']');
        assert!(!is_shallow(&hidden));
    }
}
