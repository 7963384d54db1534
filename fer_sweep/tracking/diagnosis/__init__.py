"""What is wrong with a project and its tracking store: findings, and the repairs that they carry."""
