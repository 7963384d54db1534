"""The paper, reproduced: its tables and figures beside ours, and what can be said about its claims.

R. Leng, "Towards Facial Expression Recognition: Neural Networks with Bimodal Distribution Removal and Convolutional
Neural Networks", ANU.
"""
