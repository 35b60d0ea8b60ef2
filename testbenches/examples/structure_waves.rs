//! Writes the waves of the two delay structures alone into a folder, `waves` by default:
//!
//!     cargo run -p testbenches --example structure_waves -- [FOLDER]
//!     gtkwave waves/ring-buffer-block.vcd waves/ring-buffer-block.gtkw
//!     gtkwave waves/shared-queue-block.vcd waves/shared-queue-block.gtkw

use std::path::PathBuf;
use testbenches::structures::WAVES;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let folder = match &arguments[..] {
        [] => PathBuf::from("waves"),
        [folder] => folder.into(),
        _ => return Err("structure_waves [FOLDER]".into()),
    };
    for (name, make) in WAVES {
        let path = folder.join(name);
        spikes::write_whole(&path, &make()?).map_err(|e| format!("{}: {e}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
