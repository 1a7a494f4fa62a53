//! Where temporary tables lie: Delta tables like all others, in a local folder that goes with the session. So
//! memory bounds nothing but what a statement holds of them.

use std::path::PathBuf;

use datafusion::execution::disk_manager::DiskManager;
use std::sync::Arc;
use uuid::Uuid;

use super::services::Services;
use crate::catalog::Temporary;
use crate::catalog::model::{Table, TableLocation};
use crate::error::{Error, Result, SqlState};
use crate::storage::TableAddress;

/// The folder of a session's temporary tables.
fn folder(disk: &Arc<DiskManager>, process_id: i32) -> Result<PathBuf> {
    // The first file makes the manager's own folder, which goes when the process ends.
    disk.create_tmp_file("temporary tables")?;
    let own = disk.temp_dir_paths().into_iter().next();
    let own = own.ok_or_else(|| Error::new(SqlState::DiskFull, "there is no local folder for temporary tables"))?;
    Ok(own.join("temporary").join(process_id.to_string()))
}

impl Services {
    /// A place for a new temporary table.
    pub fn temporary_location(&self, process_id: i32) -> Result<String> {
        let folder = folder(&self.disk, process_id)?.join(Uuid::new_v4().to_string());
        std::fs::create_dir_all(&folder)?;
        let url = url::Url::from_directory_path(&folder)
            .map_err(|()| Error::internal("the folder of temporary tables has no absolute path"))?;
        Ok(url.to_string())
    }

    /// Deletes the files of a temporary table that is gone.
    pub fn erase_temporary(&self, table: &Table) {
        let TableLocation::Temporary(location) = &table.location else {
            return;
        };
        self.storage.forget(&TableAddress::External {
            url: location.clone(),
            options: vec![],
        });
        let folder = url::Url::parse(location).ok().and_then(|url| url.to_file_path().ok());
        if let Some(folder) = folder {
            remove(folder);
        }
    }

    /// The session ended.
    pub fn erase_all_temporary(&self, process_id: i32, temporary: &Temporary) {
        for table in temporary.tables() {
            self.erase_temporary(table);
        }
        if let Ok(folder) = folder(&self.disk, process_id) {
            remove(folder);
        }
    }
}

/// Off the threads that serve clients, where there are such.
fn remove(folder: PathBuf) {
    let remove = move || {
        if let Err(error) = std::fs::remove_dir_all(&folder)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %folder.display(), %error, "could not delete a temporary table");
        }
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(remove)),
        Err(_) => remove(),
    }
}
