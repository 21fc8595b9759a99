//! Where the fault layers of processes make their sockets.

use std::path::PathBuf;
use std::sync::Arc;

use super::StartSystem;
use super::instance::Instance;

/// The folder of a system's sockets; for this user alone.
pub(super) fn folder(request: &StartSystem) -> PathBuf {
    request.data_dir.join("squall-faults")
}

/// Sockets are files, which the end of a process leaves.
pub(super) async fn remove(instances: &[Arc<Instance>]) {
    let mut folder = None;
    for instance in instances {
        // Most processes never made one.
        let _ = tokio::fs::remove_file(&instance.faults_socket).await;
        folder = instance.faults_socket.parent();
    }
    if let Some(folder) = folder {
        // Not if anything else is in it.
        let _ = tokio::fs::remove_dir(folder).await;
    }
}
