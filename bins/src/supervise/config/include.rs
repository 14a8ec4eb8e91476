//! `[include]`: more files, whose sections are put over those of the main one.

use std::path::Path;

use super::around::Surroundings;
use super::expand::expand;
use super::glob;
use super::ini::Document;
use super::load::{World, text_of};
use super::model::{Note, Weight};
use super::paths::{directory_of, normalize};

/// Reads the files that `[include]` names; what they include themselves is not read.
///
/// # Errors
///
/// There is no `files` key, a name in it that is unknown, or a file that cannot be understood. A
/// pattern without a file, and a file that cannot be read, are only worth a word.
pub(super) fn apply(
    document: &mut Document,
    around: &Surroundings<'_>,
    notes: &mut Vec<Note>,
) -> Result<(), String> {
    let Some(section) = document.section("include") else { return Ok(()) };
    let mut names = around.reader(section).names;
    names.insert("host_node_name", around.world.host_node_name.as_str());
    document.expand_here(around.here);
    let files = document.section("include").and_then(|section| section.get("files"));
    let Some(files) = files else {
        return Err(".ini file has [include] section, but no files setting".to_owned());
    };
    let files = expand(&files.value, &names, "include.files")?;
    for pattern in files.split_whitespace() {
        let found = glob::find(Path::new(around.here), pattern);
        if found.is_empty() {
            let whole = Path::new(around.here).join(pattern);
            let text = format!("No file matches via include \"{}\"", whole.display());
            notes.push(Note { weight: Weight::Warning, text });
        }
        for path in found {
            one(document, &path, around.world, notes)?;
        }
    }
    Ok(())
}

fn one(
    document: &mut Document,
    path: &Path,
    world: &World,
    notes: &mut Vec<Note>,
) -> Result<(), String> {
    let file = path.display().to_string();
    let mut note = |weight, text| notes.push(Note { weight, text });
    note(Weight::Info, format!("Included extra file \"{file}\" during parsing"));
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            note(Weight::Advice, format!("could not read included file \"{file}\": {error}"));
            return Ok(());
        }
    };
    let included = Document::parse(&text_of(bytes, &file)?, &file)?;
    if let Some(nested) = included.section("include") {
        let place = &nested.place;
        note(Weight::Advice, format!("[include] of an included file is not followed ({place})"));
    }
    document.merge(included);
    document.expand_here(&normalize(directory_of(&file), world));
    Ok(())
}
