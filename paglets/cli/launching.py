"""What a sync of launch.toml does, in words."""

from paglets.model.enums import LaunchConfigSyncAction

TOLD = {
    LaunchConfigSyncAction.COPIED: "made {path}: what this host starts by itself, and its settings",
    LaunchConfigSyncAction.UPDATED: "updated {path} for this paglets; the former is {backup}",
    LaunchConfigSyncAction.UPDATE_AVAILABLE: "{path} was edited, and this paglets has news for it: "
    "`paglets launch sync` lists them, --yes brings them in and keeps every edit",
}
"""What was done, by action; where nothing was, nothing is said."""

STATES = {
    LaunchConfigSyncAction.COPIED: "the bundled one; the first `paglets host` copies it",
    LaunchConfigSyncAction.UPDATED: "of another paglets; the next `paglets host` updates it",
    LaunchConfigSyncAction.UNCHANGED: "as it comes with this paglets",
    LaunchConfigSyncAction.SKIPPED: "edited, and there is nothing new for it",
    LaunchConfigSyncAction.UPDATE_AVAILABLE: "edited, and `paglets launch sync` lists news for it",
}
"""How a file is, by what a sync would do."""
