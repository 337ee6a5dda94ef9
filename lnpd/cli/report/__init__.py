"""What does somebody who looks for a defect need to know of a node, and how is it told without a secret?"""
