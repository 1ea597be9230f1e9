//! Looking for headers by name, and changing a few of them, without touching the bytes of the others.
use ::message::HeaderTable;
use bytes::{BufMut, BytesMut};

/// The headers as they are stored: name, and all bytes of the entry. Ends early where the table is malformed, which
/// no table is that was checked when it was made.
pub(crate) fn entries(table: &HeaderTable) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = table.as_bytes().as_ref();
    std::iter::from_fn(move || {
        let (name, entry) = first_entry(rest)?;
        rest = rest.get(entry.len()..)?;
        Some((name, entry))
    })
}

/// Whether there is a header of that name.
pub(crate) fn has(table: &HeaderTable, name: &str) -> bool {
    entries(table).any(|(have, _)| have == name.as_bytes())
}

/// The table without the headers of these names, followed by headers in stored form.
pub(crate) fn replace(table: &HeaderTable, names: &[&str], with: &[u8]) -> HeaderTable {
    let mut out = BytesMut::with_capacity(table.as_bytes().len() + with.len());
    for (name, entry) in entries(table) {
        if !names.iter().any(|gone| gone.as_bytes() == name) {
            out.put_slice(entry);
        }
    }
    out.put_slice(with);
    HeaderTable::from_bytes(out.freeze()).unwrap_or_default()
}

fn first_entry(table: &[u8]) -> Option<(&[u8], &[u8])> {
    let name_len = usize::from(*table.first()?);
    let name = table.get(1..1 + name_len)?;
    let tag = *table.get(1 + name_len)?;
    let value = table.get(2 + name_len..)?;
    let len = match tag {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'U' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        b'S' | b'x' | b'A' | b'F' => value.first_chunk().map(|len| u32::from_be_bytes(*len) as usize)? + 4,
        _ => return None,
    };
    Some((name, table.get(..2 + name_len + len)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::HeaderValue;

    #[test]
    fn what_is_not_named_stays_as_it_is() {
        let headers = [
            ("a".to_owned(), HeaderValue::Int(1)),
            ("b".to_owned(), HeaderValue::List(vec![HeaderValue::Text("x".into())])),
            ("c".to_owned(), HeaderValue::Null),
        ];
        let table: HeaderTable = headers.iter().cloned().collect();
        assert!(has(&table, "b") && !has(&table, "d"));
        let new: HeaderTable = [("d".to_owned(), HeaderValue::Bool(true))].into_iter().collect();
        let edited = replace(&table, &["b", "d"], new.as_bytes());
        let read: Vec<_> = edited.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(read, ["a", "c", "d"]);
        assert_eq!(replace(&table, &[], &[]), table);
    }
}
