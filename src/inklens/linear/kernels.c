/* placeholder until the kernels land */
__attribute__((visibility("default"))) int inklens_kernels_version(void) { return 0; }
