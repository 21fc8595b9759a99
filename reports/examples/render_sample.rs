//! Renders every format of two runs that never happened, to look at them:
//! `cargo run -p squall-reports --example render_sample -- DIR`.

#[path = "../record/tests/it/synthetic/mod.rs"]
mod synthetic;

use std::error::Error;
use std::path::PathBuf;

use squall_judge::judge;
use squall_reports::format::FORMATS;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let records = [
        ("failing", synthetic::streaming::failing_evening()),
        ("passing", synthetic::passing()),
    ];
    for (name, record) in records {
        let verdict = judge(&record);
        let dir = dir.join(name);
        std::fs::create_dir_all(&dir)?;
        for format in FORMATS {
            std::fs::write(
                dir.join(format.file_name()),
                format.render(&record, &verdict),
            )?;
        }
    }
    Ok(())
}
