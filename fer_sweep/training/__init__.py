"""Training: records, metrics, outlier removal, and the engines that turn configurations into records."""
