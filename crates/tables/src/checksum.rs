//! CRC-32C (Castagnoli; RFC 3720, appendix B.4), as TFRecord masks it.

const TABLES: [[u32; 256]; 8] = tables();

/// Eight bytes a step: `TABLES[n]` is what a byte does n bytes further on.
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut rest, mut bit) = (byte as u32, 0);
        while bit < 8 {
            rest = if rest & 1 == 1 { rest >> 1 ^ 0x82f6_3b78 } else { rest >> 1 };
            bit += 1;
        }
        tables[0][byte] = rest;
        byte += 1;
    }
    let mut n = 1;
    while n < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u32 = tables[n - 1][byte];
            tables[n][byte] = tables[0][(before & 0xff) as usize] ^ before >> 8;
            byte += 1;
        }
        n += 1;
    }
    tables
}

/// The CRC-32C of some bytes.
///
/// ```
/// assert_eq!(tables::crc32c(b"123456789"), 0xe306_9283);
/// ```
pub fn crc32c(bytes: &[u8]) -> u32 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let mut crc = !0_u32;
    for eight in eights {
        let [a, b, c, d, e, f, g, h] =
            (u64::from_le_bytes(*eight) ^ u64::from(crc)).to_le_bytes().map(usize::from);
        let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
        crc = t7[a] ^ t6[b] ^ t5[c] ^ t4[d] ^ t3[e] ^ t2[f] ^ t1[g] ^ t0[h];
    }
    !rest.iter().fold(crc, |crc, &byte| TABLES[0][usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

/// A checksum of data that holds checksums, as TFRecord writes it.
pub fn masked_crc32c(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_the_rfc() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }
}
