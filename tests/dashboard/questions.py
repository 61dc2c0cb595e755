"""Every question of the page, by what it may do: a new one has to be added to one of these."""

CHANGING = {
    "run_action", "take_over", "setup_start", "share_create", "share_revoke", "share_device", "share_sign_out",
    "share_rename", "share_delete", "whatif_save", "bench_folder", "bench_scan", "bench_check", "bench_save",
    "bench_fetch", "bench_cancel", "bench_unpack", "study_start", "study_cancel", "compare_start",
}  # fmt: skip
"""Questions of the owner that change something."""
READING_OF_OWNER = {
    "setup_catalogue", "setup_tasks", "setup_accuracies", "setup_plan", "setup_save", "setup_load", "share_links",
    "bench_state", "bench_level", "bench_poll", "study_estimate", "whatif", "classify_picture",
}  # fmt: skip
"""Those of the owner that do not."""
READING = {
    "runs_list", "history", "describe", "runs", "facts", "similarity", "compare", "compare_figures", "compare_text",
    "studies", "study_result", "study_text", "method_guide", "samples", "classify", "confusion", "share_offer",
}  # fmt: skip
"""Those that everybody may ask."""
