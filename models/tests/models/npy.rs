//! Reads `.npy` files of little-endian f32 in C order, which is all that the references are.

use std::path::Path;

use doorward_models::engine::Tensor;

/// Reads one array.
pub(crate) fn read(path: &Path) -> Tensor {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("read {}: {e}", path.display()));
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "{} is no .npy of version 1", path.display());
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
    let shape: Vec<usize> = shape.split(',').filter_map(|side| side.trim().parse().ok()).collect();
    let (numbers, _) = bytes[10 + length..].as_chunks::<4>();
    let values: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    assert_eq!(values.len(), shape.iter().product::<usize>());
    Tensor { shape, values }
}
