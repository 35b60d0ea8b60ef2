//! Cores to the mesh.

use hw::platform::Platform;

/// Places of the first `cores` cores, (x, y): row by row from (0, 0), every other row backwards,
/// so that cores that follow each other, which talk most, are neighbours.
#[must_use]
pub fn place(cores: usize, platform: &Platform) -> Vec<(u16, u16)> {
    let width = usize::from(platform.mesh.width);
    (0..cores)
        .map(|i| {
            let (x, y) = (i % width, i / width);
            let x = if y % 2 == 0 { x } else { width - 1 - x };
            (x as u16, y as u16)
        })
        .collect()
}
